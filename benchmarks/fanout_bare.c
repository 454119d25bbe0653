/* The floor: what the kernel alone takes. Accepts, answers, and writes the same bytes to everybody.

   fanout_bare LISTENING_FD HEAD: HEAD is the answer to any request. On stdin: a size in ASCII, a line end, then
   that many bytes, which go to every connection in one write(2) each. No parser, no table, no care for slow readers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 21000

static char buffer[1 << 16], is_open[FDS_MAX];

static void fill(char *to, ssize_t size) {
  for (ssize_t got; size > 0; to += got, size -= got)
    if ((got = read(0, to, size)) <= 0) exit(0);
}

int main(int argc, char **argv) {
  struct epoll_event events[512], event = {.events = EPOLLIN};
  struct rlimit files;
  if (argc != 3) return 2;
  int listening = atoi(argv[1]), poller = epoll_create1(0), highest = 0, one = 1;
  size_t head = strlen(argv[2]);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  fcntl(listening, F_SETFL, O_NONBLOCK);
  event.data.fd = listening;
  epoll_ctl(poller, EPOLL_CTL_ADD, listening, &event);
  event.data.fd = 0;
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
  for (;;) {
    int count = epoll_wait(poller, events, 512, -1);
    for (int n = 0; n < count; n++) {
      int fd = events[n].data.fd;
      if (fd == listening) {
        int made;
        while ((made = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          if (made >= FDS_MAX) return 1;
          setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          event.events = EPOLLIN;
          event.data.fd = made;
          epoll_ctl(poller, EPOLL_CTL_ADD, made, &event);
          if (made > highest) highest = made;
        }
      } else if (fd == 0) {
        char digit = 0;
        ssize_t size = 0;
        for (fill(&digit, 1); digit != '\n'; fill(&digit, 1)) size = size * 10 + digit - '0';
        if (size > (ssize_t)sizeof buffer) return 1;
        fill(buffer, size);
        for (int to = 0; to <= highest; to++)
          if (is_open[to] && write(to, buffer, size) != size) fprintf(stderr, "bare: a write fell short\n");
      } else {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got > 0 && !is_open[fd]) {
          if (write(fd, argv[2], head) != (ssize_t)head) return 1;
          is_open[fd] = 1;
        } else if (got == 0 || (got < 0 && errno != EAGAIN)) {
          is_open[fd] = 0;
          close(fd);
        }
      }
    }
  }
}
