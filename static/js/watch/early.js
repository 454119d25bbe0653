// Keeps what is pressed before the page can do it. A classic script in the head: it runs before there is a button.

globalThis.early = (() => {
  let repeat = () => {};
  let press;
  /** Resolves when something is pressed. */
  const isPressed = new Promise((resolve) => { press = resolve; });

  const work = {
    pointerdown: press,
    keydown: press,
    click({ target }) {
      const button = target.closest("button");
      if (button && !button.popoverTargetElement) repeat = () => button.click();
    },
    submit(event) {
      event.preventDefault();
      repeat = () => event.target.requestSubmit(event.submitter);
    },
  };
  for (const [name, does] of Object.entries(work)) document.addEventListener(name, does, true);

  return {
    isPressed,
    /** The page can do it now. */
    end() {
      for (const [name, does] of Object.entries(work)) document.removeEventListener(name, does, true);
      repeat();
    },
  };
})();
