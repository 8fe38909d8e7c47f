// What both pages share: languages, light and dark, and making elements.

const TEXTS = {
  en: {
    docs: "Documentation", metrics: "Metrics", models: "Models", served: "What is served here",
    ready: "ready", notReady: "not ready", unreachable: "not reachable",
    READY: "ready", LOADING: "loading", UNAVAILABLE: "unavailable",
    count: (models) => (models === 1 ? "1 model version" : `${models} model versions`),
    version: "version", platform: "platform", provider: "provider", threads: "threads", device: "device", replicas: "replicas", requests: "requests answered",
    inputs: "Inputs", outputs: "Outputs", labels: "Labels", try: "Try it", copy: "Copy", copied: "Copied", send: "Send",
    oip: "Open Inference", kserve: "KServe v1", task: "Asynchronous", python: "Python",
    parameters: "Parameters", body: "Body", answers: "Answers", any: "any of", optional: "Optional headers",
    required: "required", nothing: "Nothing is served yet.", failed: "The request failed: ",
    light: "Light", dark: "Dark", auto: "As the system",
  },
  zh: {
    docs: "文档", metrics: "指标", models: "模型", served: "正在提供服务的模型",
    ready: "就绪", notReady: "未就绪", unreachable: "无法连接",
    READY: "就绪", LOADING: "加载中", UNAVAILABLE: "不可用",
    count: (models) => `共 ${models} 个模型版本`,
    version: "版本", platform: "平台", provider: "执行后端", threads: "线程", device: "设备", replicas: "副本", requests: "已应答请求",
    inputs: "输入", outputs: "输出", labels: "标签", try: "试一试", copy: "复制", copied: "已复制", send: "发送",
    oip: "开放推理协议", kserve: "KServe v1", task: "异步任务", python: "Python",
    parameters: "参数", body: "请求正文", answers: "响应", any: "任一", optional: "可选请求头",
    required: "必填", nothing: "尚无模型。", failed: "请求失败：",
    light: "浅色", dark: "深色", auto: "跟随系统",
  },
};
const THEMES = { auto: "◐", light: "☀", dark: "☾" };

function kept(key, allowed, otherwise) {
  const value = localStorage.getItem(key);
  return allowed.includes(value) ? value : otherwise;
}

let language = kept("pumice.language", Object.keys(TEXTS), navigator.language.startsWith("zh") ? "zh" : "en");
let theme = kept("pumice.theme", Object.keys(THEMES), "auto");

/** A text in the reader's language; further arguments go to texts that take some. */
export function text(key, ...values) {
  const found = TEXTS[language][key];
  return typeof found === "function" ? found(...values) : found;
}

/** The text of a part of the OpenAPI document in the reader's language. */
export function told(part) {
  return (language === "zh" && part["x-zh"]) || part.summary || part.description || "";
}

/** Makes an element: attributes and on… handlers, then children; texts stay texts. */
export function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

/** A block of code with a button that copies it. */
export function codeBlock() {
  const code = element("pre");
  const button = element("button", { class: "button", type: "button", onclick: copy }, text("copy"));
  async function copy() {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = text("copied");
    setTimeout(() => (button.textContent = text("copy")), 1500);
  }
  // browsers allow it on https and on localhost only
  button.hidden = !navigator.clipboard;
  return { block: element("div", { class: "code" }, code, button), code };
}

/** Sends a request and shows what comes back. */
export async function send(request, took, answer) {
  const begun = performance.now();
  took.textContent = "…";
  try {
    const response = await fetch(request.path.replace(/^\//, ""), request);
    const body = await response.text();
    took.textContent = `${response.status} · ${(performance.now() - begun).toFixed(1)} ms`;
    answer.classList.toggle("bad", !response.ok);
    answer.textContent = pretty(body);
  } catch (error) {
    took.textContent = "";
    answer.classList.add("bad");
    answer.textContent = text("failed") + error.message;
  }
  answer.hidden = false;
}

/** JSON with a line for each member, but numbers and short lists in one. */
export function pretty(body) {
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    return body;
  }
  return layOut(value, "");
}

function layOut(value, indent) {
  const line = JSON.stringify(value);
  if (line === undefined || typeof value !== "object" || value === null || line.length + indent.length <= 88) {
    return (line ?? "").replace(/([,:])(?=["\d[{tfn-])/g, (mark, _, at) => (insideString(line, at) ? mark : `${mark} `));
  }
  const deeper = `${indent}  `;
  const isList = Array.isArray(value);
  const members = Object.entries(value).map(([name, member]) => {
    const laid = layOut(member, deeper);
    return deeper + (isList ? laid : `${JSON.stringify(name)}: ${laid}`);
  });
  const [open, close] = isList ? "[]" : "{}";
  return `${open}\n${members.join(",\n")}\n${indent}${close}`;
}

function insideString(line, at) {
  return (line.slice(0, at).match(/(?<!\\)"/g) ?? []).length % 2 === 1;
}

/** The command that does what a request does. */
export function curl(request) {
  const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;
  const words = [`curl ${quoted(new URL(request.path.replace(/^\//, ""), new URL("./", location.href)).href)}`];
  for (const [name, value] of Object.entries(request.headers ?? {})) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.method !== (request.body != null ? "POST" : "GET")) words.push(`-X ${request.method}`);
  if (request.body != null) words.push(`-d ${quoted(request.body)}`);
  return words.join(" \\\n  ");
}

/** Sets up the bar, and calls back whenever the page is to be written anew in another language. */
export function setUp(write) {
  const languageButton = element("button", { class: "button", type: "button", onclick: otherLanguage });
  const themeButton = element("button", { class: "button", type: "button", onclick: nextTheme });
  document.querySelector(".switches").replaceChildren(languageButton, themeButton);

  function otherLanguage() {
    language = language === "en" ? "zh" : "en";
    localStorage.setItem("pumice.language", language);
    show();
  }
  function nextTheme() {
    const names = Object.keys(THEMES);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    localStorage.setItem("pumice.theme", theme);
    showTheme();
  }
  function showTheme() {
    document.documentElement.dataset.theme = theme;
    themeButton.textContent = THEMES[theme];
    themeButton.title = text(theme);
    themeButton.setAttribute("aria-label", text(theme));
  }
  function show() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    languageButton.textContent = language === "en" ? "中文" : "EN";
    languageButton.lang = language === "en" ? "zh-CN" : "en";
    for (const part of document.querySelectorAll("[data-text]")) part.textContent = text(part.dataset.text);
    showTheme();
    write();
  }
  show();
}
