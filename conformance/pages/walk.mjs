// Walks the real pages of a running server in Chromium, in both languages, both themes and two widths, and looks at each page as a
// person would, and as axe does. Then every way once without script and once by keyboard alone, and what must never work.
//
// Knows the server over HTTP only. Settings, all by environment:
//   PORTERO_URL           the issuer, such as http://127.0.0.1:8080
//   PORTERO_USER          name or e-mail of a person, and PORTERO_PASSWORD
//   PORTERO_CLIENT_ID     a public client that is not first-party, and its PORTERO_REDIRECT_URI (a host that need not exist)
//   PORTERO_INVITATION    the link of an invitation that nobody takes up
//   PORTERO_SETUP_LINK    the set-up link of a server without an owner, another one than PORTERO_URL: in the end it is used; unset: not looked at
//   PORTERO_DEMO          `off` where the server is not a development server
//   PORTERO_LOOKS         which looks, all by default: a comma list of lang-theme-width such as en-light-1280,es-dark-320
//   CHROMIUM              the browser
//   OUT                   where screenshots go, ./screenshots by default
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import axe from "axe-core";
import { chromium } from "playwright-core";

const setting = (name, fallback) => {
  const value = process.env[name] || fallback;
  if (!value) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
  return value;
};
const base = setting("PORTERO_URL").replace(/\/$/, "");
const user = setting("PORTERO_USER");
const password = setting("PORTERO_PASSWORD");
const clientId = setting("PORTERO_CLIENT_ID");
const redirectUri = setting("PORTERO_REDIRECT_URI");
const invitation = process.env.PORTERO_INVITATION;
const setupLink = process.env.PORTERO_SETUP_LINK;
const hasDemo = process.env.PORTERO_DEMO !== "off";
const looks = (process.env.PORTERO_LOOKS || ["en", "es"].flatMap((lang) => ["light", "dark"].flatMap((theme) => [1280, 320].map((width) => `${lang}-${theme}-${width}`))).join(","))
  .split(",").map((one) => one.split("-")).map(([lang, theme, width]) => ({ lang, theme, width: Number(width) }));
const out = process.env.OUT || "screenshots";
mkdirSync(out, { recursive: true });

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const ours = new Set([new URL(base).origin, ...(setupLink ? [new URL(setupLink).origin] : [])]);
const app = new URL(redirectUri);
let looked = 0;
const failures = [];
const expect = (truth, what) => {
  if (!truth) {
    failures.push(what);
    console.error(`FAIL ${what}`);
  }
};

// A button, link or field by its id, reached with the Tab key from wherever the focus is.
async function reach(page, id) {
  for (let stop = 0; stop < 120; stop += 1) {
    if ((await page.evaluate(() => document.activeElement?.id)) === id) return;
    await tab(page);
  }
  throw new Error(`#${id} is not reached by the Tab key on ${page.url()}`);
}

async function tab(page) {
  await page.keyboard.press("Tab");
  const seen = await page.evaluate(() => {
    const e = document.activeElement;
    // What is in a frame shows its own focus.
    if (!e || e === document.body || e.tagName === "IFRAME") return "";
    const style = getComputedStyle(e);
    const box = e.getBoundingClientRect();
    const isOn = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && isOn ? "" : e.outerHTML.slice(0, 100);
  });
  expect(!seen, `the focus cannot be seen on ${page.url()}: ${seen}`);
}

async function typeAt(page, id, text) {
  await reach(page, id);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(text);
}

async function pressAt(page, id) {
  await reach(page, id);
  await page.keyboard.press("Enter");
}

// Once around a page with the Tab key: every control is met, none holds the focus, each shows that it has it; and the first is the skip link.
async function around(page, name) {
  await page.waitForLoadState("load");
  // The browser gives a field its autofocus with the first picture, which on a busy machine comes after the page is loaded.
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  const count = await page.evaluate(() => {
    const stops = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, iframe, [tabindex='0']")]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled);
    stops.forEach((e, n) => { e.dataset.stop = String(n); });
    // From the very beginning, wherever the page put the focus.
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    return stops.length;
  });
  const met = new Set();
  let first;
  for (let stop = 0; stop < 3 * count + 20; stop += 1) {
    await tab(page);
    const at = await page.evaluate(() => (document.activeElement === document.body ? null : document.activeElement?.dataset.stop ?? "other"));
    if (at === null) break;
    first ??= await page.evaluate(() => document.activeElement.className);
    met.add(at);
    if (met.size === count && stop > count + 5) break;
  }
  expect(first === "skip", `${name}: the first stop is ${first}, not the skip link`);
  const missed = await page.evaluate((known) => [...document.querySelectorAll("[data-stop]")].filter((e) => !known.includes(e.dataset.stop)).map((e) => e.outerHTML.slice(0, 80)), [...met]);
  expect(missed.length === 0, `${name}: not reached by the Tab key: ${missed.join("; ")}`);
}

const STATE = 'a"><b>&\'ñ';
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
function authorize(parameters = {}) {
  const verifier = base64url(randomBytes(32));
  const all = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: "openid profile email offline_access",
    state: STATE,
    nonce: base64url(randomBytes(16)),
    code_challenge: base64url(createHash("sha256").update(verifier).digest()),
    code_challenge_method: "S256",
    prompt: "consent",
    ...parameters,
  };
  return `${base}/oauth2/authorize?${new URLSearchParams(all)}`;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"],
});

// A browser of its own. No name resolves but the server's: the app is met in the request that would go to it, and a request to anybody
// else is a failure.
async function open({ lang = "en", theme = "light", width = 1280, script = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 720 : 800 },
    locale: lang,
    colorScheme: theme,
    javaScriptEnabled: script,
    reducedMotion: "reduce",
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    const known = ours.has(url.origin) || url.protocol === "data:" || (url.origin === app.origin && request.isNavigationRequest());
    expect(known, `a request to a third party: ${url.href}`);
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => expect(false, `a script failed on ${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) expect(false, `the policy of ${page.url()} stopped something: ${message.text()}`);
  });
  return { context, page };
}

// What the app gets when `act` sends the browser back to it.
async function answer(page, act) {
  const isApp = (request) => request.url().startsWith(app.origin + app.pathname) && request.isNavigationRequest();
  const [request] = await Promise.all([page.waitForRequest(isApp, { timeout: 10_000 }), act()]);
  const url = new URL(request.url());
  const parameters = request.method() === "POST" ? new URLSearchParams(request.postData() ?? "") : url.searchParams;
  // Nobody is there: the browser says so, and only then is it ready for the next address.
  await page.waitForURL(/^chrome-error:/, { waitUntil: "commit", timeout: 5_000 }).catch(() => {});
  return { method: request.method(), parameters };
}

async function look(page, name, { lang, theme, width, script = true }) {
  looked += 1;
  const where = `${name} ${lang} ${theme} ${width}`;
  await page.waitForLoadState("load");
  const facts = await page.evaluate(() => ({
    lang: document.documentElement.lang,
    title: document.title,
    headings: document.querySelectorAll("h1").length,
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small: [...document.querySelectorAll("a, button, input:not([type=hidden]), summary")]
      .filter((e) => e.checkVisibility() && !e.closest(".skip") && getComputedStyle(e).position !== "absolute")
      .map((e) => ({ name: e.outerHTML.slice(0, 80), ...e.getBoundingClientRect().toJSON() }))
      .filter((box) => box.height < 24 || box.width < 24)
      .map((box) => `${box.name} ${Math.round(box.width)}x${Math.round(box.height)}`),
    zoomLock: /maximum-scale|user-scalable\s*=\s*no/.test(document.querySelector("meta[name=viewport]")?.content ?? ""),
    bare: [...document.querySelectorAll("input:not([type=hidden])")].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16).length,
    text: document.body.innerText,
    dark: getComputedStyle(document.documentElement).colorScheme,
  }));
  expect(facts.lang === lang, `${where}: lang is ${facts.lang}`);
  expect(facts.title.length > 3, `${where}: no title`);
  expect(facts.headings === 1, `${where}: ${facts.headings} h1`);
  expect(facts.over <= 0, `${where}: ${facts.over} px of sideways scroll`);
  expect(facts.small.length === 0, `${where}: targets below 24 px: ${facts.small.join("; ")}`);
  expect(!facts.zoomLock && facts.bare === 0, `${where}: zoom is locked, or an input is below 16 px`);
  expect(facts.dark === theme, `${where}: the theme is ${facts.dark}`);
  expect(!/Unknown localization|undefined|\{ ?\$/.test(facts.text), `${where}: a text is missing`);
  // The browser's own tools run where no page's policy reaches; where scripts are off, what waits for something never ends.
  if (script) await page.evaluate(axe.source);
  const result = script ? await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS) : { violations: [] };
  for (const violation of result.violations) {
    const nodes = violation.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("\n    ");
    expect(false, `${where}: axe ${violation.id}: ${violation.help}\n    ${nodes}`);
  }
  await page.screenshot({ path: `${out}/${name}-${lang}-${theme}-${width}.png`, fullPage: true });
}

async function headers(page, url) {
  const response = await page.request.get(url, { maxRedirects: 0 });
  const all = response.headers();
  const policy = all["content-security-policy"] ?? "";
  const parts = ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "script-src 'nonce-"];
  expect(parts.every((part) => policy.includes(part)) && !/unsafe-|\*|form-action/.test(policy), `${url}: policy ${policy}`);
  const exact = { "x-frame-options": "DENY", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store" };
  for (const [name, value] of Object.entries(exact)) expect(all[name] === value, `${url}: ${name} is ${all[name]}`);
  for (const name of ["cross-origin-opener-policy", "permissions-policy"]) expect(all[name], `${url}: no ${name}`);
  const body = await response.text();
  expect(body.length < 100_000, `${url}: ${body.length} bytes`);
  const again = (await (await page.request.get(url, { maxRedirects: 0 })).headers())["content-security-policy"];
  expect(again !== policy, `${url}: the nonce is not fresh`);
}

async function signIn(page, secret = password) {
  await page.fill("#username", user);
  await page.fill("#password", secret);
  await page.click("#sign-in-submit");
}

// Every page, as a person meets it.
async function walk(look_) {
  const { context, page } = await open(look_);
  const see = (name) => look(page, name, look_);
  await page.goto(`${base}/`);
  await see("home-signed-out");
  await page.goto(`${base}/sign-in`);
  await see("sign-in-plain");
  await page.goto(authorize());
  await see("sign-in");
  await page.click("#sign-in-submit");
  await see("sign-in-missing");
  await signIn(page, "certainly not this one");
  await see("sign-in-wrong");
  expect((await page.evaluate(() => document.activeElement?.id)) === "problems", "the focus is not on what was wrong");
  expect((await page.inputValue("#username")) === user && (await page.inputValue("#password")) === "", "what was typed was not kept, or the password was");
  await signIn(page);
  await see("consent");
  // The person can turn to another account, and back.
  await page.click("#consent-not-you");
  await see("sign-in-other");
  await page.goBack();
  const { parameters } = await answer(page, () => page.click("#consent-allow"));
  expect(parameters.has("code"), "no code came back to the app");
  expect(parameters.get("state") === STATE, "the state changed on its way");
  await page.goto(authorize({ prompt: "select_account" }));
  await see("choose");
  await page.goto(authorize({ prompt: "login" }));
  await see("sign-in-again");
  await page.goto(authorize({ redirect_uri: `${redirectUri}/elsewhere` }));
  await page.click("details summary");
  await see("error-app");
  expect((await page.textContent("#error-code"))?.trim() === "invalid_request", "#error-code does not hold the code alone");
  await page.goto(`${base}/consent?interaction=x&mac=y`);
  await see("error-browser");
  await page.goto(`${base}/nothing-here`);
  await see("error-not-found");
  await page.goto(`${base}/`);
  await see("home");
  await page.goto(`${base}/docs/errors`);
  await see("docs-errors");
  if (hasDemo) {
    await page.goto(`${base}/redoc`);
    expect(page.url() === `${base}/docs`, "/redoc does not lead to the reference");
    await see("docs");
    await page.goto(`${base}/docs/me`);
    await see("docs-group");

    await page.goto(`${base}/demo`);
    await see("demo");
    await page.click("#demo-start");
    if (await page.locator("#consent-allow").count()) {
      await see("consent-device");
      await page.click("#consent-allow");
    }
    await page.waitForSelector("#demo-result");
    expect((await page.locator(".checks .danger").count()) === 0, "a check of the demo failed");
    expect(JSON.parse(await page.textContent("#demo-id-token")).iss === base || !base, "the demo shows no ID token of this issuer");
    await see("demo-result");
    await page.reload();
    await see("demo-used");
    await page.goto(`${base}/demo`);
    await page.click("#demo-start");
    await page.click("#consent-deny");
    await see("demo-denied");
  }
  await page.goto(`${base}/oauth2/logout`);
  await see("sign-out");
  await page.click("#sign-out-submit");
  await page.waitForSelector("#signed-out");
  await see("signed-out");
  await context.close();
}

// The newest mail to an address, as the development server's own page shows it: its links by the page they lead to, and its code.
async function mail(context, address, path) {
  const box = await context.newPage();
  for (let tries = 0; tries < 40; tries += 1) {
    await box.goto(`${base}/demo/mail`);
    const mails = await box.locator("article.panel").evaluateAll((panels) => panels.map((panel) => ({
      to: panel.querySelector("dd").textContent.trim(),
      links: [...panel.querySelectorAll("pre a")].map((link) => link.href),
      text: panel.querySelector("pre").textContent,
    })));
    const found = mails.find((one) => one.to === address && one.links.some((link) => link.includes(path)));
    if (found) {
      await box.close();
      return { link: found.links.find((link) => link.includes(path)), code: found.text.match(/: (\d{6})\n/)?.[1] };
    }
    await box.waitForTimeout(250);
  }
  throw new Error(`no mail to ${address} with a link to ${path}`);
}

// Sign-up, a forgotten password, and everything a person does with their account.
async function account(look_) {
  const { context, page } = await open(look_);
  const see = (name) => look(page, look_.script === false ? `plain-${name}` : name, look_);
  const person = `p-${look_.lang}-${look_.theme}-${look_.width}-${base64url(randomBytes(4)).toLowerCase().replace(/[^a-z0-9]/g, "x")}`;
  const email = `${person}@example.org`;
  const secrets_ = ["seven purple lanterns drift", "forty quiet herons walking", "nine paper boats at noon"];
  await page.goto(`${base}/account`);
  expect(page.url().includes("/sign-in?to="), "the account page is shown to nobody");
  await page.goto(authorize());
  await page.click("#sign-up");
  await see("sign-up-app");
  await page.goto(`${base}/sign-up`);
  await see("sign-up");
  await page.fill("#email", "somebody");
  await page.fill("#password", "12345678");
  await page.click("#sign-up-submit");
  await see("sign-up-problems");
  expect((await page.inputValue("#email")) === "somebody" && (await page.inputValue("#password")) === "", "what was typed was not kept, or the password was");
  await page.fill("#email", email);
  await page.fill("#name", "Lucía Ñandú");
  await page.fill("#username", person);
  await page.fill("#password", secrets_[0]);
  await page.click("#sign-up-submit");
  await page.waitForSelector("#verify-waiting");
  await see("verify-waiting");
  const waiting = page.url();
  await page.fill("#code", "000000");
  await page.click("#verify-submit");
  await see("verify-wrong");
  const confirmation = await mail(context, email, "/verify-email");
  await page.goto(confirmation.link);
  await see("verify");
  await page.goto(waiting);
  await page.fill("#code", confirmation.code);
  await page.click("#verify-submit");
  await page.waitForSelector("#verify-done");
  await see("verify-done");
  await page.goto(`${base}/verify-email?done=nameless`);
  await see("verify-nameless");
  await page.goto(`${base}/verify-email?done=choose`);
  await see("verify-choose");
  await page.goto(confirmation.link);
  await see("verify-again");
  await page.goto(`${base}/demo/mail`);
  const frame = page.frameLocator("article.panel iframe").first();
  expect((await frame.locator("h1").count()) === 1, "the HTML part of a mail is not shown");
  expect((await page.locator("article.panel iframe").first().getAttribute("sandbox")) === "allow-top-navigation-by-user-activation", "the frame of a mail may do more than lead out of it");
  const framed = (await page.request.get(await page.locator("article.panel iframe").first().evaluate((e) => e.src))).headers();
  const policy = framed["content-security-policy"] ?? "";
  expect(["default-src 'none'", "frame-ancestors 'self'", "sandbox allow-top-navigation-by-user-activation"].every((part) => policy.includes(part)), `the policy of a mail is ${policy}`);
  await see("demo-mail");
  await page.goto(`${base}/recover`);
  await see("recover");
  await page.fill("#username", person);
  await page.click("#recover-submit");
  await page.waitForSelector("#reset-waiting");
  await see("reset-waiting");
  const reset = await mail(context, email, "/recover/reset");
  await page.goto(reset.link);
  await see("reset");
  await page.fill("#password", secrets_[1]);
  await page.click("#reset-submit");
  await page.waitForSelector("#reset-done");
  await see("reset-done");
  await page.goto(reset.link);
  await see("recover-link-used");
  await page.goto(`${base}/account`);
  await page.fill("#username", person);
  await page.fill("#password", secrets_[1]);
  await page.click("#sign-in-submit");
  await page.waitForSelector("#account-title");
  await see("account");
  // An invitation for somebody else, while this person is signed in.
  await page.goto(invitation);
  await see("sign-up-elsewhere");
  await page.goto(`${base}/account`);
  await page.goto(authorize());
  if (await page.locator("#consent-allow").count()) await answer(page, () => page.click("#consent-allow"));
  await page.goto(`${base}/account`);
  await see("account-connected");
  await page.click("#all-activity");
  await page.waitForSelector("#activity-title");
  await see("account-activity");
  await page.goto(`${base}/account`);
  await page.fill("#name", "Lucía Ñ.");
  await page.click("#profile-submit");
  await see("account-saved");
  const download = await page.request.get(`${base}/account/data`);
  expect((await download.json()).profile.email === email, "the data is not this person's");
  await page.goto(`${base}/.well-known/change-password`);
  await see("account-password");
  await page.fill("#current", "not this one at all");
  await page.fill("#password", secrets_[2]);
  await page.click("#change-password-submit");
  await see("account-password-wrong");
  await page.fill("#current", secrets_[1]);
  await page.fill("#password", secrets_[2]);
  await page.click("#change-password-submit");
  await page.waitForSelector("#account-title");
  await page.click("#change-email");
  await see("account-email");
  await page.fill("#email", `new-${email}`);
  await page.fill("#current", secrets_[2]);
  await page.click("#change-email-submit");
  await page.waitForSelector("#email-waiting");
  await see("account-email-waiting");
  const change = await mail(context, `new-${email}`, "/account/email/confirm");
  const undo = await mail(context, email, "/account/email/undo");
  await page.goto(change.link);
  await see("account-email-confirm");
  await page.click("#confirm-email-submit");
  await page.waitForSelector("#email-done");
  await see("account-email-done");
  await page.goto(`${base}/account/delete`);
  await see("account-delete");
  await page.goto(undo.link);
  await see("account-undo");
  await page.click("#undo-email-submit");
  await page.waitForSelector("#undo-done");
  await see("account-undo-done");
  const required = await mail(context, email, "/recover/reset");
  await page.goto(required.link);
  await page.fill("#password", secrets_[0]);
  await page.click("#reset-submit");
  await page.waitForSelector("#reset-done");
  await page.goto(`${base}/account/delete`);
  await page.fill("#username", email);
  await page.fill("#password", secrets_[0]);
  await page.click("#sign-in-submit");
  await page.fill("#current", secrets_[0]);
  await page.click("#delete-account-submit");
  await page.waitForSelector("#deleted");
  await see("account-deleted");
  await context.close();
}

// The same without script, from sign-up to the end of a session.
async function accountWithoutScript() {
  const { context, page } = await open({ script: false });
  const email = `plain-${base64url(randomBytes(6)).toLowerCase().replace(/[^a-z0-9]/g, "x")}@example.org`;
  await page.goto(authorize());
  await page.click("#sign-up");
  await page.fill("#email", email);
  await page.fill("#password", "seven purple lanterns drift");
  await page.click("#sign-up-submit");
  const box = await open();
  const { code } = await mail(box.context, email, "/verify-email");
  await box.context.close();
  await page.fill("#code", code);
  await page.click("#verify-submit");
  await page.click("#next");
  await page.fill("#username", email);
  await page.fill("#password", "seven purple lanterns drift");
  await page.click("#sign-in-submit");
  const { parameters } = await answer(page, () => page.click("#consent-allow"));
  expect(parameters.has("code"), "somebody who signed up on the way did not arrive at the app");
  await page.goto(`${base}/account`);
  await page.click("#end-all");
  expect(page.url().endsWith("/sign-in"), "signing out everywhere did not sign out here");
  await context.close();
}

// Set-up of a server that has no owner: looked at, not done.
async function setup(look_) {
  const { context, page } = await open(look_);
  const see = (name) => look(page, name, look_);
  const link = new URL(setupLink);
  await page.goto(new URL("/", link).href);
  await see("setup-where");
  await page.goto(`${link.origin}${link.pathname}?token=1.x`);
  await see("setup-wrong");
  await page.goto(setupLink);
  await see("setup");
  await page.fill("#email", "ana");
  await page.fill("#password", "12345678");
  await page.click("#setup-submit");
  await see("setup-problems");
  await context.close();
}

// The first owner, and what the link is worth afterwards.
async function setUp() {
  const { context, page } = await open();
  const origin = new URL(setupLink).origin;
  await page.goto(setupLink);
  await around(page, "setup");
  await page.reload();
  await typeAt(page, "email", "ana@example.org");
  await typeAt(page, "password", "12345678");
  await pressAt(page, "setup-submit");
  await page.waitForSelector("#problems");
  await around(page, "setup-problems");
  await page.goto(setupLink);
  await typeAt(page, "email", "ana@example.org");
  await typeAt(page, "name", "Ana Ñandú");
  await typeAt(page, "password", base64url(randomBytes(18)));
  await pressAt(page, "setup-submit");
  await page.waitForSelector("#setup-done");
  await around(page, "setup-done");
  for (const lang of ["en", "es"]) {
    await page.click(`button[name=lang][value=${lang}]`);
    for (const theme of ["light", "dark"]) {
      await page.click(`button[name=theme][value=${theme}]`);
      for (const width of [1280, 320]) {
        await page.setViewportSize({ width, height: 800 });
        await look(page, "setup-done", { lang, theme, width });
      }
    }
  }
  for (const gone of [setupLink, `${origin}/setup`]) {
    const response = await page.goto(gone);
    expect(response.status() === 404, `${gone} answers ${response.status()} after set-up`);
  }
  await page.goto(`${origin}/`);
  expect((await page.locator("#home-title").count()) === 1, "the start page does not greet the first owner");
  await context.close();
}

// The whole way with scripts off: what the switches and buttons do is the server's work.
async function withoutScript() {
  const { context, page } = await open({ script: false });
  await page.goto(authorize({ response_mode: "form_post" }));
  const address = page.url();
  await page.click("button[name=lang][value=es]");
  expect(page.url() === address, "the switch left the flow");
  expect((await page.getAttribute("html", "lang")) === "es", "the switch did not change the language");
  await page.click("button[name=theme][value=dark]");
  expect((await page.getAttribute("html", "data-theme")) === "dark", "the switch did not change the theme");
  await signIn(page);
  expect((await page.getAttribute("html", "lang")) === "es", "the language was lost on the way");
  await page.click("#consent-allow");
  const sent = await answer(page, () => page.click("#form-post-continue"));
  expect(sent.method === "POST" && sent.parameters.has("code"), "form_post did not arrive without script");
  expect(sent.parameters.get("state") === STATE, "the state changed in the form");
  await page.goto(authorize());
  const refused = await answer(page, () => page.click("#consent-deny"));
  expect(refused.parameters.get("error") === "access_denied", "the refusal did not arrive");
  await page.goto(`${base}/oauth2/logout`);
  await page.click("#sign-out-submit");
  await page.waitForSelector("#signed-out");
  await context.close();
}

// Every page once around with the Tab key, and everything that a person does with their account by keyboard alone.
async function accountByKeyboard() {
  const { context, page } = await open();
  const email = `keys-${base64url(randomBytes(6)).toLowerCase().replace(/[^a-z0-9]/g, "x")}@example.org`;
  const secrets_ = ["seven purple lanterns drift", "forty quiet herons walking", "nine paper boats at noon"];
  const go = async (path, name) => {
    await page.goto(path.startsWith("http") ? path : `${base}${path}`);
    await around(page, name);
    await page.reload();
  };
  for (const [path, name] of [["/", "home"], ["/docs", "docs"], ["/docs/errors", "docs-errors"], ["/docs/me", "docs-group"], ["/demo", "demo"],
    ["/nothing-here", "error"], ["/sign-in", "sign-in"], ["/recover", "recover"], ["/verify-email", "verify-again"], ["/recover/reset?token=x", "reset-wrong"]]) await go(path, name);
  await go("/sign-up", "sign-up");
  await typeAt(page, "email", email);
  await typeAt(page, "password", "12345678");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#problems");
  expect((await page.evaluate(() => document.activeElement?.id)) === "problems", "the focus is not on what was wrong with a sign-up");
  // The summary leads to the field.
  await tab(page);
  await page.keyboard.press("Enter");
  expect((await page.evaluate(() => location.hash)) === "#password", "the summary does not lead to its field");
  await page.keyboard.press("Shift+Tab");
  await page.reload();
  await page.goto(`${base}/sign-up`);
  await typeAt(page, "email", email);
  await typeAt(page, "password", secrets_[0]);
  await pressAt(page, "sign-up-submit");
  await page.waitForSelector("#verify-waiting");
  await around(page, "verify-waiting");
  await page.reload();
  const { code, link } = await mail(context, email, "/verify-email");
  await typeAt(page, "code", code);
  await pressAt(page, "verify-submit");
  await page.waitForSelector("#verify-done");
  await around(page, "verify-done");
  await page.goto(link);
  await around(page, "verify-used");
  await go("/demo/mail", "demo-mail");
  await page.goto(`${base}/recover`);
  await typeAt(page, "username", email);
  await pressAt(page, "recover-submit");
  await page.waitForSelector("#reset-waiting");
  await around(page, "reset-waiting");
  await page.reload();
  const reset = await mail(context, email, "/recover/reset");
  await typeAt(page, "code", reset.code);
  await typeAt(page, "password", secrets_[1]);
  await pressAt(page, "reset-submit");
  await page.waitForSelector("#reset-done");
  await around(page, "reset-done");
  await page.goto(`${base}/account`);
  await typeAt(page, "username", email);
  await typeAt(page, "password", secrets_[1]);
  await pressAt(page, "sign-in-submit");
  await page.waitForSelector("#account-title");
  await around(page, "account");
  await page.reload();
  await typeAt(page, "name", "Lucía Ñ.");
  await reach(page, "locale");
  await page.keyboard.press("ArrowDown");
  await pressAt(page, "profile-submit");
  await page.waitForSelector(".notice.good");
  expect((await page.inputValue("#name")) === "Lucía Ñ." && (await page.inputValue("#locale")) === "es", "the profile was not saved by keyboard");
  await pressAt(page, "all-activity");
  await page.waitForSelector("#activity-title");
  await around(page, "account-activity");
  await pressAt(page, "change-password");
  await page.waitForSelector("#change-password-title");
  await around(page, "account-password");
  await page.reload();
  await typeAt(page, "current", secrets_[1]);
  await typeAt(page, "password", secrets_[2]);
  await pressAt(page, "change-password-submit");
  await page.waitForSelector("#account-title");
  await pressAt(page, "change-email");
  await page.waitForSelector("#change-email-title");
  await around(page, "account-email");
  await page.reload();
  await typeAt(page, "email", `new-${email}`);
  await typeAt(page, "current", secrets_[2]);
  await pressAt(page, "change-email-submit");
  await page.waitForSelector("#email-waiting");
  await around(page, "account-email-waiting");
  const change = await mail(context, `new-${email}`, "/account/email/confirm");
  const undo = await mail(context, email, "/account/email/undo");
  await go(change.link, "account-email-confirm");
  await pressAt(page, "confirm-email-submit");
  await page.waitForSelector("#email-done");
  await go(undo.link, "account-undo");
  await go("/account/delete", "account-delete");
  await typeAt(page, "current", secrets_[2]);
  await pressAt(page, "delete-account-submit");
  await page.waitForSelector("#deleted");
  await around(page, "account-deleted");
  await page.goto(authorize());
  await around(page, "sign-in-app");
  await page.reload();
  await typeAt(page, "username", user);
  await typeAt(page, "password", password);
  await pressAt(page, "sign-in-submit");
  await page.waitForSelector("#consent-allow");
  await around(page, "consent");
  await page.goto(authorize({ prompt: "select_account" }));
  await around(page, "choose");
  await go("/oauth2/logout", "sign-out");
  await pressAt(page, "sign-out-submit");
  await page.waitForSelector("#signed-out");
  await around(page, "signed-out");
  await context.close();
}

// By keyboard alone, with the focus always to be seen.
async function byKeyboard() {
  const { context, page } = await open();
  await page.goto(authorize({ response_mode: "form_post" }));
  const press = async (key) => {
    await page.keyboard.press(key);
    const seen = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return true;
      const style = getComputedStyle(e);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    });
    expect(seen, `the focus cannot be seen after ${key} on ${page.url()}`);
  };
  await page.keyboard.type(user);
  await press("Tab");
  await page.keyboard.type(password);
  await press("Tab");
  expect((await page.evaluate(() => document.activeElement?.className)) === "reveal", "the button that shows the password is not next");
  await press("Enter");
  expect((await page.getAttribute("#password", "type")) === "text", "the password is not shown");
  expect((await page.getAttribute(".reveal", "aria-pressed")) === "true", "the button does not say that it is pressed");
  await press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#consent-allow");
  await page.keyboard.press("Tab");
  expect((await page.evaluate(() => document.activeElement?.className)) === "skip", "the first stop is not the skip link");
  for (let stop = 0; stop < 20 && (await page.evaluate(() => document.activeElement?.id)) !== "consent-allow"; stop += 1) await press("Tab");
  // The form of the answer sends itself.
  const sent = await answer(page, () => page.keyboard.press("Enter"));
  expect(sent.method === "POST" && sent.parameters.has("code"), "form_post did not send itself");
  await context.close();
}

// What looks as if it worked must have been able to fail.
async function controls() {
  const { context, page } = await open();
  await page.setContent('<!doctype html><html><body><img src="data:,x"><input><p style="width:3000px">x</p></body></html>');
  await page.evaluate(axe.source);
  const result = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS);
  expect(result.violations.some((violation) => violation.id === "image-alt"), "axe finds nothing where there is something");
  expect(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth), "sideways scroll is not seen");
  // A page of another site cannot send our forms: neither to sign somebody in, nor to switch the language.
  await page.goto(`${base}/sign-in`);
  const csrf = await page.inputValue("input[name=csrf]");
  const forms = [["/sign-in", { username: user, password, csrf }], ["/preferences", { lang: "es", return: "/" }]];
  for (const [path, fields] of forms) {
    // A page without an origin of its own: whatever it sends is cross-site. One for each form, so that none is cut off by the next.
    const elsewhere = await context.newPage();
    await elsewhere.goto("data:text/html,<title>elsewhere</title>");
    const got = elsewhere.waitForResponse((response) => response.url() === `${base}${path}`);
    await elsewhere.evaluate(([action, values]) => {
      const form = Object.assign(document.createElement("form"), { method: "post", action });
      for (const [name, value] of Object.entries(values)) form.append(Object.assign(document.createElement("input"), { name, value }));
      document.body.append(form);
      form.submit();
    }, [`${base}${path}`, fields]);
    expect((await got).status() === 403, `${path} took a form from another site: ${(await got).status()}`);
    await elsewhere.close();
  }
  await headers(page, `${base}/sign-in`);
  await headers(page, `${base}/setup?token=x`);
  await headers(page, `${base}/sign-up`);
  await headers(page, `${base}/recover/reset?handle=x`);
  await headers(page, `${base}/verify-email?token=x`);
  await headers(page, `${base}/consent?interaction=x&mac=y`);
  await headers(page, `${base}/docs/errors`);
  await context.close();
}

try {
  for (const look_ of looks) {
    await walk(look_);
    if (hasDemo) await account(look_);
    if (setupLink) await setup(look_);
  }
  await withoutScript();
  if (hasDemo) {
    await accountWithoutScript();
    await account({ lang: "es", theme: "dark", width: 320, script: false });
    await accountByKeyboard();
  }
  await byKeyboard();
  await controls();
  if (setupLink) await setUp();
} catch (error) {
  expect(false, `the walk broke off: ${error.stack}`);
} finally {
  await browser.close();
}
console.log(`${looked} pages looked at, ${failures.length} failures; screenshots in ${out}`);
process.exit(failures.length === 0 ? 0 : 1);
