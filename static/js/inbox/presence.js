// Follows who of the people in sight is online.

export class PresenceFollower {
  #followed = new Set();
  #refused = new Set();

  constructor({ store, client }) {
    Object.assign(this, { store, client });
  }

  /** Follow these people, and no others. */
  follow(ids) {
    const wanted = new Set(ids.filter((id) => !this.#refused.has(id)));
    for (const id of this.#followed) if (!wanted.has(id)) this.#leave(id);
    for (const id of wanted) if (!this.#followed.has(id)) this.#watch(id);
  }

  /** Ask for a person again, or for all: they may be allowed to see each other by now. */
  askAgain(id) {
    if (id === undefined) this.#refused.clear();
    else this.#refused.delete(id);
  }

  #watch(id) {
    this.#followed.add(id);
    this.client.watch(`presence:${id}`, {
      has: () => null,
      deliver: (name, data) => this.store.dispatch(name, data),
      lost: () => {
        // Not for us: they have not written to us, or block us.
        this.#followed.delete(id);
        this.#refused.add(id);
        this.store.dispatch("local_unknown", { id });
      },
    });
  }

  #leave(id) {
    this.#followed.delete(id);
    this.client.leave(`presence:${id}`);
  }
}
