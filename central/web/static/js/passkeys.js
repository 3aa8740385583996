// Passkeys: forms marked data-passkey ask the browser's authenticator and send its answer on as fields.
// The buttons show only where the browser can; everything else on the page works without this script.

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

const named = (entry) => ({ ...entry, id: toBytes(entry.id) });

async function ask(purpose, csrf) {
  const answer = await fetch('/passkeys/options', {
    method: 'POST', headers: { 'X-CSRF-Token': csrf, accept: 'application/json' }, body: new URLSearchParams({ purpose }),
  });
  if (!answer.ok) throw new Error(`options: ${answer.status}`);
  return answer.json();
}

async function register(options) {
  const made = await navigator.credentials.create({ publicKey: {
    ...options, challenge: toBytes(options.challenge), user: named(options.user),
    excludeCredentials: (options.excludeCredentials || []).map(named),
  } });
  return { ...about(made), response: {
    clientDataJSON: toText(made.response.clientDataJSON), attestationObject: toText(made.response.attestationObject),
  } };
}

async function prove(options) {
  const found = await navigator.credentials.get({ publicKey: {
    ...options, challenge: toBytes(options.challenge), allowCredentials: (options.allowCredentials || []).map(named),
  } });
  const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
  return { ...about(found), response: {
    clientDataJSON: toText(clientDataJSON), authenticatorData: toText(authenticatorData), signature: toText(signature),
    userHandle: userHandle ? toText(userHandle) : null,
  } };
}

const about = (credential) => ({
  id: credential.id, rawId: toText(credential.rawId), type: credential.type, clientExtensionResults: {},
  authenticatorAttachment: credential.authenticatorAttachment,
});

async function use(form) {
  const purpose = form.dataset.passkey, told = form.querySelector('[data-failed]'), button = form.querySelector('button');
  told.textContent = '';
  button.disabled = true;
  try {
    const { ceremony, options } = await ask(purpose, form.elements.csrf.value);
    const answer = purpose === 'register' ? await register(options) : await prove(options);
    field(form, 'ceremony').value = ceremony;
    field(form, 'answer').value = JSON.stringify(answer);
    HTMLFormElement.prototype.submit.call(form); // a field may be named submit
  } catch {
    told.textContent = told.dataset.failed;
    button.disabled = false;
  }
}

const field = (form, name) => form.elements[`reauth_${name}`] || form.elements[name];

for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!window.PublicKeyCredential) continue;
  form.querySelector('button').hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    use(form);
  });
}
