
"use strict";
const at = (id) => document.getElementById(id);
const code = location.hash.slice(1);
// The code stays out of the browser's history, too.
history.replaceState(null, "", location.pathname);

const refuse = (said) => {
  at("zh").textContent = said.zh;
  at("en").textContent = said.en;
  at("wrong").hidden = false;
};

const show = (claimed) => {
  at("token").textContent = claimed.token;
  at("export").textContent = `export MIFENG_TOKEN=${claimed.token}`;
  const until = new Date(claimed.expireTime).toLocaleString();
  document.querySelectorAll(".until").forEach((place) => { place.textContent = until; });
  at("start").hidden = true;
  at("wrong").hidden = true;
  at("done").hidden = false;
};

at("claim").addEventListener("click", async () => {
  at("claim").disabled = true;
  try {
    const answer = await fetch("/first-administrator/claim", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }),
    });
    const said = await answer.json();
    if (answer.ok) { show(said); return; }
    refuse(said);
  } catch {
    refuse({ zh: "服务器没有回答：请确认它仍在运行，然后再试一次。", en: "The server did not answer: make sure that it is running and try again." });
  }
  at("claim").disabled = false;
});

document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
  const source = at(button.dataset.copy);
  const label = button.innerHTML;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "✓";
  } catch {
    // Without a secure connection the page may not write the clipboard: select the text instead.
    getSelection().selectAllChildren(source);
    button.textContent = "Ctrl+C";
  }
  setTimeout(() => { button.innerHTML = label; }, 1500);
}));

if (!code) {
  at("claim").disabled = true;
  refuse({ zh: "链接里没有一次性代码：请用启动时显示的完整链接打开本页。", en: "The link carries no one-time code: open this page with the whole link shown at the start." });
}
