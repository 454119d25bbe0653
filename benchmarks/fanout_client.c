/* Viewers: connect from many addresses, read everything, count frames. Driven by lines on stdin, answers on stdout.

   fanout_client PORT REQUESTS OPENED
     REQUESTS  a file of requests, each after its size and a new line; connection i sends number i modulo their count
     OPENED    what a connection has read last when its stream is open

   connect N A have N more connections, A at once    -> connected SECONDS
   reset       count from zero                       -> reset
   expect K S  wait at most S seconds until every connection has K frames
                                                     -> got EXACT FEWER MORE BYTES SECONDS
   A frame is what holds one '^': nothing else that a server writes has it.
   Compiled with -DTLS all of it goes through TLS, and no certificate is checked. A request that begins as HTTP/2 does
   is sent by it: the client reads frames of data as it reads all else, and opens no window beyond what it has sent. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#define VIEWERS_MAX 20000
#define A_SOURCE 500          /* connections per source address */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct viewer {
  int fd;
  short matched;
  char sent, open;
  long frames;
#ifdef TLS
  SSL *tls;
#endif
};

static struct viewer viewers[VIEWERS_MAX];
static char *requests[VIEWERS_MAX];
static size_t sizes[VIEWERS_MAX];
static int made, opened, wanted, at_once, kinds, poller, port, ponging = 1;
static long target, reached, bytes;
static const char *opening;
static char buffer[1 << 18];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
  exit(1);
}

#ifdef TLS
static SSL_CTX *context;

/* As read(2), and write(2): -1 with EAGAIN when the handshake or the kernel is not there yet. */
static ssize_t result(struct viewer *v, int got) {
  if (got > 0) return got;
  int why = SSL_get_error(v->tls, got);
  ERR_clear_error();
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
  return -1;
}

static ssize_t take(struct viewer *v, void *to, size_t size) { return result(v, SSL_read(v->tls, to, size)); }

static ssize_t give(struct viewer *v, const void *from, size_t size) {
  if (!v->tls) {
    v->tls = SSL_new(context);
    SSL_set_fd(v->tls, v->fd);
    SSL_set_connect_state(v->tls);
  }
  return result(v, SSL_write(v->tls, from, size));
}
#else
static ssize_t take(struct viewer *v, void *to, size_t size) { return read(v->fd, to, size); }
static ssize_t give(struct viewer *v, const void *from, size_t size) { return write(v->fd, from, size); }
#endif

static void join(void) {
  int i = made++, one = 1;
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct epoll_event event = {.events = EPOLLOUT, .data.u32 = i};
  from.sin_addr.s_addr = htonl(0x7f010001u + i / A_SOURCE);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = viewers[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (void *)&from, sizeof from)) fail("bind");
  if (connect(fd, (void *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static int took(int i);

static void ready(int i) {
  struct viewer *v = &viewers[i];
  if (!v->sent) {
    ssize_t size = sizes[i % kinds], gone = give(v, requests[i % kinds], size);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &event);
    if (gone < 0 && errno == EAGAIN) return;   /* the handshake waits for the server */
    if (gone != size) fail("a request");
    v->sent = 1;
    return;
  }
  while (took(i)) {}
}

/* Read once. True if there may be more that no event will tell of. */
static int took(int i) {
  struct viewer *v = &viewers[i];
  ssize_t got = take(v, buffer, sizeof buffer);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) { fprintf(stderr, "client: stream %d has ended, %d are open\n", i, opened); exit(1); }
  bytes += got;
  char *p = buffer, *end = buffer + got;
  /* A WebSocket's ping without a payload; elsewhere the byte does not occur: what comes is ASCII. */
  for (char *ping = buffer; ponging && (ping = memchr(ping, 0x89, end - ping)) && ping + 1 < end; ping++)
    if (!ping[1] && give(v, "\x8a\x80\0\0\0\0", 6) < 0) return 0;
  for (; !v->open && p < end; p++) {
    v->matched = *p == opening[v->matched] ? v->matched + 1 : *p == opening[0];
    if (!opening[v->matched]) { v->open = 1; opened++; }
  }
  while (p < end && (p = memchr(p, '^', end - p))) {
    p++;
    if (++v->frames == target) reached++;
  }
#ifdef TLS
  return 1;
#else
  return 0;
#endif
}

int main(int argc, char **argv) {
  struct epoll_event events[512], event = {.events = EPOLLIN, .data.u32 = VIEWERS_MAX};
  struct rlimit files;
  char line[100];
  double began = 0, until = 0;
  enum { IDLE, CONNECTING, EXPECTING } state = IDLE;
  if (argc != 4) return 2;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  port = atoi(argv[1]);
  opening = argv[3];
  FILE *file = fopen(argv[2], "rb");
  if (!file) fail(argv[2]);
  for (; kinds < VIEWERS_MAX && fscanf(file, "%zu", &sizes[kinds]) == 1 && fgetc(file) == '\n'; kinds++)
    if (!(requests[kinds] = malloc(sizes[kinds])) || fread(requests[kinds], 1, sizes[kinds], file) != sizes[kinds])
      return 2;
  if (!kinds) return 2;
  int is_http2 = sizes[0] > 4 && !memcmp(requests[0], "PRI ", 4);
#ifdef TLS
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  if (is_http2) SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
#endif
  if (is_http2) ponging = 0;
  poller = epoll_create1(0);
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (;;) {
    while (state == CONNECTING && made < wanted && made - opened < at_once) join();
    int count = epoll_wait(poller, events, 512, state == IDLE ? -1 : 20);
    for (int n = 0; n < count; n++) {
      if (events[n].data.u32 < VIEWERS_MAX) { ready(events[n].data.u32); continue; }
      ssize_t got = read(0, line, sizeof line - 1);   /* one command at a time: they wait for the answer */
      if (got <= 0) return 0;
      line[got] = 0;
      long number = 0;
      double seconds = 0;
      began = now();
      if (sscanf(line, "connect %ld %d", &number, &at_once) == 2) {
        if (made + number > VIEWERS_MAX) return 2;
        wanted = made + number;
        state = CONNECTING;
      } else if (sscanf(line, "expect %ld %lf", &number, &seconds) == 2) {
        target = number;
        reached = 0;
        for (int i = 0; i < made; i++) reached += viewers[i].frames >= target;
        until = began + seconds;
        state = EXPECTING;
      } else if (!strncmp(line, "reset", 5)) {
        for (int i = 0; i < made; i++) viewers[i].frames = 0;
        bytes = 0;
        puts("reset");
      } else return 2;
    }
    if (state == CONNECTING && opened == wanted) {
      printf("connected %.6f\n", now() - began);
      state = IDLE;
    } else if (state == EXPECTING && (reached == made || now() > until)) {
      long fewer = 0, more = 0;
      for (int i = 0; i < made; i++) {
        fewer += viewers[i].frames < target;
        more += viewers[i].frames > target;
      }
      printf("got %ld %ld %ld %ld %.6f\n", made - fewer - more, fewer, more, bytes, now() - began);
      state = IDLE;
    }
  }
}
