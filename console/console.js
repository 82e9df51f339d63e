'use strict';

// Texts from the platform are only ever inserted as text, never as markup.

const byId = id => document.getElementById(id);
const day = 24 * 60 * 60 * 1000;
let listing = {organizations: [], tokens: []};
let revoking = null; // the pull token that the revoke dialog asks about
let busy = false;
let over = false;

// end shows that the program behind the page has stopped.
function end() {
	if (over) return;
	over = true;
	const text = 'The console has stopped. To start it again, run in a terminal: docker-credential-cgr console';
	byId('ended').textContent = text;
	// Screen readers do not announce what is behind a dialog.
	const dialog = document.querySelector('dialog[open] [role=alert], dialog[open] [role=status]');
	if (dialog) dialog.textContent = text;
	byId('new').disabled = true;
	byId('rows').querySelectorAll('button').forEach(button => { button.disabled = true; });
}

// visible escapes characters that nobody can see, or that change the direction of the text
// around them, as the tables on a terminal do. Otherwise a name could pass for another.
const visible = text => text.replace(/[\p{C}\p{Z}]/gu, c => c === ' ' ? c : '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'));

// parse reads the JSON of an answer. Only the texts to copy keep their line ends.
const parse = json => JSON.parse(json, (key, value) => typeof value === 'string' && key !== 'text' ? visible(value) : value);

// call sends a request to the program, and returns its answer or throws its error.
async function call(method, body) {
	const init = {method, cache: 'no-store', headers: {'Cgr-Console': '1'}};
	if (body) {
		init.headers['Content-Type'] = 'application/json';
		init.body = JSON.stringify(body);
	}
	let response;
	try {
		response = await fetch('api/tokens', init);
	} catch {
		end();
		throw new Error('the console has stopped');
	}
	const answer = await response.text().then(parse).catch(() => ({}));
	if (!response.ok) throw new Error(answer.error || `the console answered with status ${response.status}`);
	return answer;
}

// watch waits until the program stops: this answer ends only then.
async function watch() {
	try {
		const response = await fetch('api/alive', {cache: 'no-store', headers: {'Cgr-Console': '1'}});
		await response.text();
	} catch { /* it was killed */ }
	end();
}

const element = (name, text, className) => {
	const e = document.createElement(name);
	if (text) e.textContent = text;
	if (className) e.className = className;
	return e;
};

const date = text => text ? new Date(text).toLocaleDateString(undefined, {dateStyle: 'medium'}) : '';
const moment = text => text ? new Date(text).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'short'}) : '';

// left says when a pull token expires. The program counts the days, so that the page and
// its tables agree.
function left({daysLeft}) {
	if (daysLeft === undefined) return 'unknown';
	if (daysLeft < 0) return 'expired';
	return daysLeft === 0 ? 'in less than a day' : daysLeft === 1 ? 'in 1 day' : `in ${daysLeft} days`;
}

// shortId is the part of an id that differs within an organization.
const shortId = token => '…/' + token.id.split('/').pop();

const organizationOf = token => token.organization.name || token.organization.id;

function cell(label, text, className = '') {
	const td = element('td', text || '–', text ? className : className + ' blank');
	td.setAttribute('role', 'cell');
	td.dataset.label = label;
	return td;
}

// row is the row of a pull token in the table. One that shares its name with another also
// shows its id.
function row(token, sharesName) {
	const tr = element('tr');
	tr.setAttribute('role', 'row');
	const name = element('th', token.name + ' ');
	name.scope = 'row';
	name.setAttribute('role', 'rowheader');
	if (token.id === listing.saved) name.append(element('span', 'saved here', 'saved'));
	if (sharesName) name.append(element('div', shortId(token), 'soft id'));
	if (token.description) name.append(element('div', token.description, 'soft'));
	const expires = cell('Expires', left(token), 'nowrap' + (token.soon ? ' soon' : ''));
	expires.title = moment(token.expires);
	const revoke = element('button', 'Revoke');
	revoke.type = 'button';
	revoke.disabled = over;
	revoke.setAttribute('aria-label', `Revoke ${token.name}` + (sharesName ? ` ${shortId(token)}` : ''));
	revoke.addEventListener('click', () => askRevoke(token));
	const last = cell('', ' ');
	last.replaceChildren(revoke);
	tr.append(name, cell('Organization', organizationOf(token), 'several'), cell('Created', date(token.createdAt), 'nowrap'),
		expires, cell('Last seen', date(token.lastSeen) || 'never', 'nowrap'), last);
	return tr;
}

function show() {
	const several = listing.organizations.length > 1;
	document.body.classList.toggle('one', !several);
	byId('account').textContent = listing.account ? `Signed in as ${listing.account}` : '';
	const [first] = listing.organizations;
	byId('scope').textContent = `${several ? `${listing.organizations.length} organizations` : first.name || first.id} · ${listing.registry}`;
	byId('problem').replaceChildren(...(listing.problems || []).map(text => element('p', text)));
	const tokens = listing.tokens || [], names = new Map();
	tokens.forEach(({name}) => names.set(name, (names.get(name) || 0) + 1));
	byId('rows').replaceChildren(...tokens.map(token => row(token, names.get(token.name) > 1)));
	byId('list').hidden = tokens.length === 0;
	byId('new').disabled = over;
}

// count says how many pull tokens are listed. A list that could not be fetched, or not
// in full, does not say that there are none.
function count() {
	if (!listing.tokens) return '';
	const n = listing.tokens.length;
	if (n === 0) return listing.problems ? 'There are no pull tokens that you can list.' : 'There are no pull tokens.';
	return n === 1 ? '1 pull token' : `${n} pull tokens`;
}

// load fetches the list, and announces it after the news.
async function load(news) {
	try {
		listing = await call('GET');
	} catch (error) {
		byId('status').textContent = news || '';
		byId('problem').textContent = error.message;
		return;
	}
	show();
	byId('status').textContent = [news, count()].filter(Boolean).join(' ');
}

// invalid shows what is wrong with a field, and moves the focus there.
function invalid(field, text) {
	byId('create-problem').textContent = text;
	field.setAttribute('aria-invalid', 'true');
	field.focus();
}

function openCreate() {
	byId('create-form').reset();
	byId('name').value = 'pull-token';
	byId('date').disabled = true;
	const local = time => {
		const d = new Date(time);
		return [d.getFullYear(), String(d.getMonth() + 1).padStart(2, '0'), String(d.getDate()).padStart(2, '0')].join('-');
	};
	byId('date').min = local(Date.now());
	byId('date').max = local(Date.now() + 364 * day);
	byId('organization').replaceChildren(...listing.organizations.map(o => new Option(o.name || o.id, o.id)));
	clearProblems();
	byId('create').showModal();
	byId('name').focus();
	byId('name').select();
}

function clearProblems() {
	byId('create-problem').textContent = '';
	byId('create-form').querySelectorAll('[aria-invalid]').forEach(field => field.removeAttribute('aria-invalid'));
}

// seconds is the lifetime of the new pull token. It is valid to the end of a chosen date,
// in the local time zone.
function seconds() {
	const life = document.querySelector('input[name=life]:checked').value;
	if (life !== 'date') return life * day / 1000;
	const [year, month, date] = byId('date').value.split('-').map(Number);
	return Math.floor((new Date(year, month - 1, date + 1) - Date.now()) / 1000);
}

async function create(event) {
	event.preventDefault();
	if (busy) return;
	clearProblems();
	const repositories = [...byId('repositories').querySelectorAll(':checked')].map(box => box.value);
	if (!/^[a-z0-9 ._-]+$/.test(byId('name').value)) return invalid(byId('name'), 'Enter a name of lowercase letters, digits, spaces, dots, hyphens and underscores.');
	if (byId('life-date').checked && !(byId('date').value && byId('date').checkValidity())) return invalid(byId('date'), 'Choose a date from today to a year from now.');
	if (repositories.length === 0) return invalid(byId('repositories').querySelector('input'), 'Select at least one type of repository.');
	busy = true;
	byId('create-send').setAttribute('aria-disabled', 'true');
	byId('create-status').textContent = 'Generating a key. This takes a few seconds…';
	try {
		const made = await call('POST', {
			organization: byId('organization').value, name: byId('name').value, description: byId('description').value,
			seconds: seconds(), repositories,
		});
		byId('create').close();
		showMade(made);
		await load();
	} catch (error) {
		byId('create-problem').textContent = error.message;
	} finally {
		busy = false;
		byId('create-send').removeAttribute('aria-disabled');
		byId('create-status').textContent = '';
	}
}

// copyField is a read-only field with a button that copies it.
function copyField(title, text, kind) {
	const box = element('div', '', 'copy'), head = element('div');
	const label = element('label', title), copy = element('button', 'Copy'), field = element(kind);
	field.id = label.htmlFor = 'copy-' + title.toLowerCase().replace(' ', '-');
	field.readOnly = true;
	field.spellcheck = false;
	field.value = text;
	copy.type = 'button';
	copy.setAttribute('aria-label', `Copy ${title}`);
	copy.addEventListener('click', () => copyText(field, copy, title));
	head.append(label, copy);
	box.append(head, field);
	return box;
}

// showMade shows the new pull token, the only time that it can be seen: as the two fields
// that the forms of other registries ask for, and ready to paste into a terminal or file.
function showMade(made) {
	byId('made-text').textContent = `“${made.name}” is valid until ${moment(made.expires)}. It is shown only once and not stored. If you lose it, revoke it and create another.`;
	byId('copies').replaceChildren(copyField('Username', made.id, 'input'), copyField('Password', made.password, 'input'),
		...made.snippets.map(s => copyField(s.title, s.text, 'textarea')));
	byId('made').showModal();
	byId('made-title').focus();
}

async function copyText(field, button, title) {
	let copied = true;
	try {
		await navigator.clipboard.writeText(field.value);
	} catch { // the browser does not allow it: the older way
		field.select();
		copied = document.execCommand('copy');
	}
	if (copied) button.focus();
	byId('made-status').textContent = copied ? `${title}: copied.` : `${title} is selected. Press Ctrl+C to copy it.`;
}

function forget() {
	byId('copies').replaceChildren();
	byId('made-text').textContent = byId('made-status').textContent = '';
}

// askRevoke asks before a pull token is revoked, with all that tells it from another of its
// name.
function askRevoke(token) {
	revoking = token;
	byId('revoke-problem').textContent = '';
	byId('revoke-text').textContent = 'Everything that uses this pull token loses access immediately. This cannot be undone.'
		+ (token.id === listing.saved ? ' It is the one saved on this machine.' : '');
	const id = element('dd', '', 'id'), end = shortId(token).slice(2);
	id.append(token.id.slice(0, -end.length), element('wbr'), end);
	byId('revoke-facts').replaceChildren(...[
		['Name', token.name], ['Description', token.description], ['ID', id],
		['Organization', listing.organizations.length > 1 && organizationOf(token)], ['Created', moment(token.createdAt)],
		['Expires', token.expires ? `${moment(token.expires)} (${left(token)})` : left(token)], ['Last seen', moment(token.lastSeen) || 'never'],
	].filter(([, fact]) => fact).flatMap(([title, fact]) => [element('dt', title), fact === id ? id : element('dd', fact)]));
	byId('revoke').showModal();
	byId('revoke-cancel').focus();
}

async function revoke() {
	if (busy) return;
	busy = true;
	byId('revoke-send').setAttribute('aria-disabled', 'true');
	try {
		await call('DELETE', {id: revoking.id});
		byId('revoke').close();
		await load(`Revoked “${revoking.name}”.`);
		byId('title').focus(); // the button that had the focus is gone
	} catch (error) {
		byId('revoke-problem').textContent = error.message;
	} finally {
		busy = false;
		byId('revoke-send').removeAttribute('aria-disabled');
	}
}

byId('new').addEventListener('click', openCreate);
byId('create-form').addEventListener('submit', create);
byId('create-form').addEventListener('change', () => { byId('date').disabled = !byId('life-date').checked; });
byId('revoke-send').addEventListener('click', revoke);
byId('made').addEventListener('close', () => { forget(); byId('new').focus(); });
// Escape does not close it: the pull token cannot be shown again.
byId('made').addEventListener('cancel', event => {
	event.preventDefault();
	byId('made-status').textContent = 'Copy the pull token, then choose Done.';
	byId('made-done').focus();
});
byId('create').addEventListener('cancel', event => { if (busy) event.preventDefault(); });
document.querySelectorAll('[data-close]').forEach(button => {
	button.addEventListener('click', () => {
		const dialog = button.closest('dialog');
		if (busy && dialog.id !== 'made') return;
		if (dialog.id === 'made') forget();
		dialog.close();
	});
});
window.addEventListener('pagehide', forget);

load();
watch();
