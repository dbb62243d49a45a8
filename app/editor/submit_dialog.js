// What a submit asks about proposals that nobody has decided on: accept them, reject them, or decide on them one by one.
import { createElement, setText } from "../components/dom.js";
import { displayNames, undecided } from "./boxes.js";

const MAX_NAMED = 8;

const named = (box, task) => `${displayNames(box, task).join(" · ")}${box.score === null ? "" : ` ${box.score.toFixed(2)}`}`;

export class SubmitDialog {
  // onAnswer("accept" | "reject" | "decide")
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
    this.title = createElement("h2");
    this.text = createElement("p");
    this.list = createElement("ul", { className: "undecided", "aria-label": "Undecided proposals" });
    const button = (name, text, key, className = "plain") =>
      createElement("button", { type: "button", className, "data-answer": name, onclick: () => this.answer(name) }, createElement("span", { textContent: text }), createElement("kbd", { textContent: key }));
    this.reject = button("reject", "Reject them and submit", "X");
    this.decide = button("decide", "Decide one by one", "Esc");
    this.accept = button("accept", "Accept them and submit", "↵", "plain primary");
    this.root = createElement("dialog", { className: "help ask", "aria-label": "Submit" }, this.title, this.text, this.list,
      createElement("div", { className: "feet" }, this.decide, this.reject, this.accept));
    this.root.onkeydown = (event) => this.key(event);
    this.root.oncancel = (event) => (event.preventDefault(), this.answer("decide"));
  }

  get isOpen() {
    return this.root.open;
  }

  // `late` says that the boxes came after the submit was asked for, so that nobody has seen them.
  show(open, task, late) {
    const count = `${open.length} ${open.length === 1 ? "proposal is" : "proposals are"}`;
    const title = late ? (task.boxes.length ? "The boxes have come" : "The models found nothing") : open.length ? `${count} undecided` : "No boxes";
    setText(this.title, title);
    const first = late ? "You asked to submit before they were there. " : "";
    setText(this.text, open.length ? `${first}Nobody has accepted or rejected ${open.length === 1 ? "it" : "them"} yet: dashed on the photo.` : `${first}Submit the photo as one without garments?`);
    const names = open.slice(0, MAX_NAMED).map((box) => createElement("li", { textContent: named(box, task) }));
    if (open.length > MAX_NAMED) names.push(createElement("li", { textContent: `and ${open.length - MAX_NAMED} more` }));
    this.list.replaceChildren(...names);
    this.reject.hidden = !open.length;
    setText(this.accept.firstChild, open.length ? "Accept them and submit" : "Submit");
    setText(this.decide.firstChild, open.length ? "Decide one by one" : "Back to the photo");
    this.root.showModal();
    this.accept.focus();
  }

  answer(name) {
    if (!this.isOpen) return;
    this.root.close();
    this.onAnswer(name);
  }

  key(event) {
    event.stopPropagation();
    const name = { Enter: "accept", x: "reject", X: "reject" }[event.key];
    const onOther = event.key === "Enter" && event.composedPath()[0] !== this.accept && event.composedPath()[0].dataset?.answer;
    if (!name || onOther || event.repeat || event.ctrlKey && name === "reject" || event.altKey || (name === "reject" && this.reject.hidden)) return;
    event.preventDefault();
    this.answer(name);
  }
}

// What a submit does: it waits for boxes that are coming, asks about what is undecided, or does as the person has chosen.
export class Submitting {
  constructor(editor) {
    Object.assign(this, { editor, kept: false });
    this.dialog = new SubmitDialog((answer) => this.answered(answer));
  }

  get notice() {
    return this.kept ? "Your Enter is kept: you are asked once the boxes are here." : "";
  }

  submit() {
    const { task, data, options, stage, sync } = this.editor;
    if (!stage.seen) return "The photo is still on its way"; // a second Enter
    if (data.coming && !task.boxes.length && !task.history.past.length) {
      this.kept = true;
      return "The boxes are still coming: you are asked once they are here";
    }
    if (!task.boxes.length && !task.history.past.length) return this.ask(false); // nobody has touched it
    if (task.boxes.some(undecided)) {
      if (options.undecided === "ask") return this.ask(false);
      this.settle(options.undecided);
    }
    sync.requestAction("submit");
    return "Submitting";
  }

  // The page has run again: what waited for the boxes is asked now.
  update() {
    if (this.kept && !this.editor.data.coming && !this.editor.locked) this.ask(true);
  }

  ask(late) {
    this.kept = false;
    const { task } = this.editor;
    this.dialog.show(task.boxes.filter(undecided), task, late);
    return null;
  }

  settle(how) {
    const { task } = this.editor;
    if (how === "reject" ? task.rejectAll() : task.acceptAll()) this.editor.changed(false);
  }

  answered(answer) {
    const { editor } = this;
    editor.focusStage(true);
    if (answer === "decide") return editor.run("uncertain");
    if (editor.locked) return;
    this.settle(answer);
    editor.sync.requestAction("submit");
    editor.announce("Submitting");
    editor.render();
  }
}
