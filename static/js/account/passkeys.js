// Passkeys: sign in with one, add one, or say with one that it is you. Called by the pages with a form[data-passkey].
//
// The server's options have their bytes as base64url texts, and wants the answer in the same form (WebAuthn Level 3,
// PublicKeyCredential.toJSON, which not every browser has yet).

const form = document.querySelector("form[data-passkey]");
const button = document.querySelector("[data-passkey-press]");
const failure = document.querySelector("[data-passkey-error]");

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));

function toText(buffer) {
  const signs = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(signs).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const known = (credentials = []) => credentials.map((each) => ({ ...each, id: toBytes(each.id) }));

/** What the authenticator made, as the server reads it. */
function asJson(credential) {
  const { response } = credential;
  const json = { clientDataJSON: toText(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) json[name] = toText(response[name]);
  }
  const extensions = credential.getClientExtensionResults();
  return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response: json, clientExtensionResults: extensions };
}

async function make({ publicKey }) {
  const selection = { ...publicKey.authenticatorSelection, residentKey: "required", requireResidentKey: true, userVerification: "required" };
  const user = { ...publicKey.user, id: toBytes(publicKey.user.id) };
  const options = { ...publicKey, user, challenge: toBytes(publicKey.challenge), excludeCredentials: known(publicKey.excludeCredentials), authenticatorSelection: selection };
  return asJson(await navigator.credentials.create({ publicKey: options }));
}

async function show({ publicKey }) {
  const options = { ...publicKey, challenge: toBytes(publicKey.challenge), allowCredentials: known(publicKey.allowCredentials), userVerification: "required" };
  return asJson(await navigator.credentials.get({ publicKey: options }));
}

async function askedOptions() {
  const written = document.getElementById("passkey-options");
  if (written) return JSON.parse(written.textContent);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  return answer.json();
}

async function press(event) {
  event.preventDefault();
  button.disabled = true;
  failure.hidden = true;
  try {
    const asked = await askedOptions();
    const credential = asked.creation_options ? await make(asked.creation_options) : await show(asked.request_options);
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  } catch {
    // Closed by the person, none there, or no line: it may go well the next time.
    failure.hidden = false;
    button.disabled = false;
    button.focus();
  }
}

if (form && window.PublicKeyCredential) {
  button.hidden = false;
  button.addEventListener("click", press);
} else if (form) {
  document.querySelector("[data-passkey-none]")?.removeAttribute("hidden");
}
