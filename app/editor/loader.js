// What Streamlit sends with every message: the editor itself comes once, by its address.

let loading = null;

const load = (address) => {
  loading ??= import(new URL(address, window.location.origin)).catch((error) => {
    loading = null; // the next message tries again
    throw error;
  });
  return loading;
};

export default function (component) {
  let gone = false;
  let close = null;
  load(component.data.code).then(
    (editor) => {
      if (!gone) close = editor.default(component);
    },
    () => {
      const root = component.parentElement.querySelector(".lapel-editor");
      if (root) root.textContent = "The editor could not be loaded: reload the page, or look whether the connection is lost.";
    },
  );
  return () => {
    gone = true;
    close?.();
  };
}
