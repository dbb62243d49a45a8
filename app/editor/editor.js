export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".lapel-editor");
  if (!root || !data) return;
  root.textContent = data.photo.name;
}
