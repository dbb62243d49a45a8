// The live camera: its frames go to the server, and their garments are drawn over the moving picture.
import { draw, Motion } from "./overlay.js";

const FRAME_SIDE = 480; // the detector looks at 320 pixels; the classifier's crops gain from more
const QUALITY = 0.8;
const LIST_EVERY_MS = 250;
const AGAIN_MS = 1000;
const MOST_AT_ONCE = 2; // frames on their way, where the server has a core for each
const GRAB_MS = 25; // from the camera's picture to its JPEG, and a picture's wait at 30 a second
const find = (id) => document.getElementById(id);
const [stage, video, overlay, rate, message, sentence] =
  ["stage", "video", "overlay", "rate", "message", "sentence"].map(find);
const [startButton, stopButton, camera, threshold, shownThreshold, list, none] =
  ["start", "stop", "camera", "threshold", "shown-threshold", "garments", "none"].map(find);
// A canvas's own toBlob waits until the browser is idle, which it hardly is here.
const sheet = window.OffscreenCanvas ? new OffscreenCanvas(2, 2) : document.createElement("canvas");
const pen = sheet.getContext("2d", { alpha: false, willReadFrequently: true });

let running = null; // {stream, session, ...} while the camera is on
let answers = []; // [when, milliseconds] of the last seconds
let listedAt = 0;
let mirrored = false;
let motion = new Motion();
let sentPicture = -1;
let answerMs = 0; // what an answer takes, as a moving mean

const REFUSALS = {
  NotAllowedError: "The camera is blocked. Allow it for this page in the browser's address bar or settings, then start again.",
  NotFoundError: "No camera was found. Connect one, then start again; or label a photo or a video instead.",
  OverconstrainedError: "This camera is not there any more. Choose another one, then start again.",
  NotReadableError: "The camera is in use by another program. Close that one, then start again.",
};

/** A sentence for why the camera cannot be had. */
export function refusal(error) {
  return REFUSALS[error.name] ?? `The camera cannot be used (${error.name || error}). Try again, or choose another one.`;
}

function say(text, button = "Start the camera") {
  sentence.textContent = text;
  startButton.textContent = button;
  startButton.hidden = !button;
  message.hidden = false;
}

function constraints() {
  const [kind, value] = camera.value.split(/:(.*)/s);
  const chosen = kind === "facing" ? { facingMode: { ideal: value } } : { deviceId: { exact: value } };
  return { audio: false, video: { ...chosen, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } } };
}

async function start() {
  if (running) await stop();
  if (!navigator.mediaDevices?.getUserMedia) {
    const secure = window.isSecureContext;
    say(secure ? "This browser gives pages no camera. Try another one."
      : "Browsers give the camera to secure pages only: open the demo over https, or as localhost on its own machine.", "");
    return;
  }
  say("Waiting for the camera: allow it if the browser asks.", "");
  const mine = { stream: null, session: null, opening: null, ended: false, atOnce: 1, shown: 0 };
  running = mine;
  try {
    mine.stream = await navigator.mediaDevices.getUserMedia(constraints());
    if (mine.ended) return release(mine);
    video.srcObject = mine.stream;
    await video.play();
  } catch (error) {
    if (!mine.ended) await stop(refusal(error));
    return;
  }
  const track = mine.stream.getVideoTracks()[0];
  track.addEventListener("ended", () => running === mine && stop("The camera was taken away. Connect it again, then start."));
  mirrored = track.getSettings?.().facingMode === "user";
  stage.classList.toggle("mirrored", mirrored);
  stage.style.setProperty("--ratio", `${video.videoWidth} / ${video.videoHeight}`);
  stopButton.disabled = false;
  message.hidden = true;
  listCameras(track);
  requestAnimationFrame(() => animate(mine));
  for (let number = 0; number < MOST_AT_ONCE; number += 1) run(mine, number);
}

/** The cameras by their names, which browsers tell once one of them is allowed. */
async function listCameras(track) {
  const found = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput" && d.deviceId);
  if (found.length < 2 && camera.options[0].value.startsWith("facing")) {
    if (found.length === 1) camera.replaceChildren(new Option(found[0].label || "Camera", `device:${found[0].deviceId}`));
    return;
  }
  camera.replaceChildren(...found.map((d, n) => new Option(d.label || `Camera ${n + 1}`, `device:${d.deviceId}`)));
  const used = track.getSettings?.().deviceId;
  if (used) camera.value = `device:${used}`;
}

function release(mine) {
  mine.ended = true;
  mine.stream?.getTracks().forEach((track) => track.stop());
  if (mine.session) navigator.sendBeacon(`live/sessions/${mine.session}/end`);
  mine.session = null;
}

async function stop(text = "The camera is off.") {
  if (running) release(running);
  running = null;
  answers = [];
  video.srcObject = null;
  stopButton.disabled = true;
  rate.hidden = none.hidden = true;
  list.replaceChildren();
  motion = new Motion();
  draw(overlay, null, mirrored);
  say(text);
}

/**
 * Send frames one after the other; those that the camera takes meanwhile are left out. As many of these loops run as
 * the server says, `number` counts them: it labels their frames at the same time, in the order of the camera. The next
 * picture is grabbed shortly before an answer is due, so that the server need not wait for the camera and its JPEG.
 */
async function run(mine, number) {
  const isOver = () => mine.ended || running !== mine;
  while (number >= mine.atOnce) {
    if (isOver()) return;
    await pause(100);
  }
  let next = nextPicture(number ? answerMs / 2 : 0);
  while (!isOver()) {
    let id;
    try {
      const { began, picture } = await next;
      if (isOver()) return;
      id = mine.session ?? await (mine.opening ??= opened(mine));
      if (isOver()) return;
      const told = `threshold=${threshold.value}&taken=${(began / 1000).toFixed(3)}`;
      const asks = asked(`live/sessions/${id}/frames?${told}`, picture);
      next = nextPicture(answerMs - GRAB_MS);
      next.catch(() => {}); // told where it is awaited
      const asksSince = performance.now();
      const frame = await asks;
      answerMs += 0.2 * (performance.now() - asksSince - answerMs);
      if (isOver()) return;
      mine.atOnce = frame.at_once;
      if (began > mine.shown) show(frame, (mine.shown = began));
      if (number < mine.atOnce) continue;
      while (number >= mine.atOnce && !isOver()) await pause(100);
      next = nextPicture(0);
    } catch (error) {
      if (isOver()) return;
      if (error.status === 401) { location.assign("./"); return; }
      if (![undefined, 409, 410, 429].includes(error.status)) { await stop(error.message); return; }
      if (error.status === 410 && mine.session === id) mine.session = null;
      else if (error.status === 429) await pause(100);
      else if (error.status === undefined) {
        motion.take(null, 0);
        rate.hidden = false;
        rate.textContent = "The server does not answer; trying again";
        await pause(AGAIN_MS);
      }
      next = nextPicture(0);
    }
  }
}

/** A session's id, once it is there; one that comes when the camera is off already is ended. */
async function opened(mine) {
  try {
    mine.session = (await asked("live/sessions")).session;
    if (mine.ended) release(mine);
    return mine.session;
  } finally {
    mine.opening = null;
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** The camera's picture after a time, and when it was taken. */
async function nextPicture(afterMs) {
  if (afterMs > 0) await pause(afterMs);
  await newFrame();
  const began = performance.now();
  return { began, picture: await grabbed() };
}

/** Wait while the page is not looked at, and for a picture of the camera that was not sent yet. */
async function newFrame() {
  while (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
  const began = performance.now();
  while (pictureCount() === sentPicture && performance.now() - began < 250) {
    await pause(4);
  }
  sentPicture = pictureCount();
}

function pictureCount() {
  return video.getVideoPlaybackQuality?.().totalVideoFrames ?? performance.now();
}

async function grabbed() {
  const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const [width, height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
  if (sheet.width !== width || sheet.height !== height) Object.assign(sheet, { width, height });
  pen.drawImage(video, 0, 0, width, height);
  if (sheet.convertToBlob) return sheet.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return new Promise((done) => sheet.toBlob(done, "image/jpeg", QUALITY));
}

async function asked(address, picture) {
  const headers = picture ? { "Content-Type": "image/jpeg" } : {};
  const answer = await fetch(address, { method: "POST", body: picture, headers, credentials: "same-origin" });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.error ?? `The server answered ${answer.status}.`), { status: answer.status });
  return told;
}

/** Draw with each picture of the camera; screens ask for more than cameras give. */
function animate(mine, drawnPicture = -1) {
  if (mine.ended) return;
  const picture = pictureCount();
  if (picture !== drawnPicture) draw(overlay, motion.at(performance.now()), mirrored);
  requestAnimationFrame(() => animate(mine, picture));
}

/** Take in the answer for a picture that was taken at `taken`, and tell how fast answers come. */
function show(frame, taken) {
  const now = performance.now();
  motion.take(frame, taken);
  answers = [...answers.filter(([when]) => now - when < 2000), [now, now - taken]];
  if (now - listedAt < LIST_EVERY_MS) return;
  listedAt = now;
  const span = now - answers[0][0];
  const perSecond = span > 500 ? ((answers.length - 1) * 1000) / span : 0;
  const delay = answers.map(([, ms]) => ms).sort((a, b) => a - b)[answers.length >> 1];
  rate.hidden = !perSecond;
  rate.textContent = `${perSecond.toFixed(perSecond < 10 ? 1 : 0)} frames a second · ${Math.round(delay)} ms`;
  rate.dataset.rate = perSecond.toFixed(2);
  none.hidden = frame.garments.length > 0;
  list.replaceChildren(...frame.garments.toSorted((a, b) => a.track - b.track).map(entry));
}

function entry(garment) {
  const item = document.createElement("li");
  const [patch, name, score] = ["i", "span", "span"].map((tag) => document.createElement(tag));
  patch.style.background = garment.color;
  const [label, category] = ["b", "small"].map((tag) => document.createElement(tag));
  label.textContent = `${garment.top5.length ? garment.top5[0][0] : garment.category} ${garment.track}`;
  category.textContent = ` ${garment.category.replaceAll("_", " ")}`;
  name.append(label, category);
  score.textContent = `${Math.round(garment.score * 100)} %`;
  item.append(patch, name, score);
  return item;
}

const showThreshold = () => { shownThreshold.textContent = `${Math.round(threshold.value * 100)} %`; };
threshold.addEventListener("input", showThreshold);
startButton.addEventListener("click", start);
stopButton.addEventListener("click", () => stop());
camera.addEventListener("change", () => running && start());
window.addEventListener("pagehide", () => running && release(running));
window.addEventListener("pageshow", (event) => event.persisted && stop());
showThreshold();
