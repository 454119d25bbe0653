// Shows the messages of the site, also while none of its pages is open. It keeps no files: pages come from the site.

addEventListener("push", (event) => {
  const { title, body, path, tag } = event.data.json();
  const options = { body, tag, icon: "/static/img/icon-192.png", badge: "/static/img/icon-192.png", data: { path } };
  event.waitUntil(registration.showNotification(title, options));
});

/** Show the page that the message is about: one that is open, or a new one. */
async function open(path) {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((each) => new URL(each.url).pathname === path);
  return page ? page.focus() : clients.openWindow(path);
}

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.path));
});
