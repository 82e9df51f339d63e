'use strict';

// What is shown comes from the platform, and is put in as text alone.

const byId = id => document.getElementById(id);
const day = 24 * 60 * 60 * 1000;
let listing = {organizations: [], tokens: []};
let revoking = null; // the pull token that the question is about
let busy = false;
let over = false;

// end says that the program behind the page is gone.
function end() {
	if (over) return;
	over = true;
	const text = 'The console has ended. To go on, run in a terminal: docker-credential-cgr console';
	byId('ended').textContent = text;
	// What is behind a pane is not read out.
	const pane = document.querySelector('dialog[open] [role=alert], dialog[open] [role=status]');
	if (pane) pane.textContent = text;
	byId('new').disabled = true;
	byId('rows').querySelectorAll('button').forEach(button => { button.disabled = true; });
}

// call asks the program, and throws what went wrong as one line.
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
		throw new Error('the console has ended');
	}
	const answer = await response.json().catch(() => ({}));
	if (!response.ok) throw new Error(answer.error || `the console answered with status ${response.status}`);
	return answer;
}

// watch waits for the end of the program: its answer lasts until then.
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

function left(expires) {
	if (!expires) return ['no end known', ''];
	const ms = new Date(expires) - Date.now();
	if (ms <= 0) return ['expired', 'soon'];
	const days = Math.round(ms / day); // a new one of 30 days has not quite as many left
	const text = ms < day ? 'in less than a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
	return [text, ms < 7 * day ? 'soon' : ''];
}

function cell(label, text, className = '') {
	const td = element('td', text || '–', text ? className : className + ' blank');
	td.setAttribute('role', 'cell');
	td.dataset.label = label;
	return td;
}

function row(token) {
	const tr = element('tr');
	tr.setAttribute('role', 'row');
	const name = element('th', token.name + ' ');
	name.scope = 'row';
	name.setAttribute('role', 'rowheader');
	if (token.id === listing.saved) name.append(element('span', 'saved here', 'saved'));
	const [text, urgency] = left(token.expires);
	const ends = cell('Ends', text, 'days ' + urgency);
	if (token.expires) ends.title = new Date(token.expires).toLocaleString();
	const revoke = element('button', 'Revoke');
	revoke.type = 'button';
	revoke.disabled = over;
	revoke.setAttribute('aria-label', `Revoke ${token.name}`);
	revoke.addEventListener('click', () => askRevoke(token));
	const last = cell('', ' ');
	last.replaceChildren(revoke);
	tr.append(name, cell('Description', token.description),
		cell('Organisation', token.organization.name || token.organization.id, 'several'),
		cell('Created', date(token.createdAt), 'days'), ends, cell('Last seen', date(token.lastSeen) || 'never', 'days'), last);
	return tr;
}

function show() {
	const several = listing.organizations.length > 1;
	document.body.classList.toggle('one', !several);
	byId('account').textContent = listing.account ? `Signed in as ${listing.account}` : '';
	byId('scope').textContent = several ? `${listing.organizations.length} organisations, ${listing.registry}`
		: `${listing.organizations[0].name || listing.organizations[0].id}, ${listing.registry}`;
	byId('problem').textContent = listing.problem || '';
	byId('rows').replaceChildren(...listing.tokens.map(row));
	byId('list').hidden = listing.tokens.length === 0;
	byId('new').disabled = over;
}

// load fetches the list; said is what the person is told of it.
async function load(said) {
	try {
		listing = await call('GET');
	} catch (error) {
		byId('status').textContent = '';
		byId('problem').textContent = error.message;
		return;
	}
	show();
	const count = listing.tokens.length;
	const words = listing.problem ? '' : count === 0 ? 'There are no pull tokens.' : count === 1 ? '1 pull token' : `${count} pull tokens`;
	byId('status').textContent = [said, words].filter(Boolean).join(' ');
}

// invalid says what is wrong with a field, and puts the focus there.
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

// seconds is how long the new pull token is to live: a date counts to its end, here.
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
	if (!/^[a-z0-9 ._-]+$/.test(byId('name').value)) return invalid(byId('name'), 'Give a name of lower-case letters, digits, space, dot, hyphen and underscore.');
	if (byId('life-date').checked && !(byId('date').value && byId('date').checkValidity())) return invalid(byId('date'), 'Give a day from today on, within a year.');
	if (repositories.length === 0) return invalid(byId('repositories').querySelector('input'), 'Choose at least one thing that it is good for.');
	busy = true;
	byId('create-send').setAttribute('aria-disabled', 'true');
	byId('create-status').textContent = 'Making a key, which takes some seconds…';
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

// showMade shows the new pair, the only time that it can be seen.
function showMade(made) {
	byId('made-text').textContent = `“${made.name}” is good until ${new Date(made.expires).toLocaleString(undefined, {dateStyle: 'long', timeStyle: 'short'})}. It is shown this once and kept nowhere; if it is lost, revoke it and make another.`;
	byId('snippets').replaceChildren(...made.snippets.map((s, i) => {
		const box = element('div', '', 'snippet'), head = element('div');
		const label = element('label', s.title), copy = element('button', 'Copy'), area = element('textarea');
		area.id = label.htmlFor = `snippet-${i}`;
		area.readOnly = true;
		area.spellcheck = false;
		area.value = s.text;
		copy.type = 'button';
		copy.setAttribute('aria-label', `Copy ${s.title}`);
		copy.addEventListener('click', () => copyText(area, copy, s.title));
		head.append(label, copy);
		box.append(head, area);
		return box;
	}));
	byId('made').showModal();
	byId('made-title').focus();
}

async function copyText(area, button, title) {
	let copied = true;
	try {
		await navigator.clipboard.writeText(area.value);
	} catch { // the browser does not let us: the older way
		area.select();
		copied = document.execCommand('copy');
	}
	if (copied) button.focus();
	byId('made-status').textContent = copied ? `${title}: copied.` : `${title} is selected: copy it with Ctrl-C.`;
}

function forget() {
	byId('snippets').replaceChildren();
	byId('made-text').textContent = byId('made-status').textContent = '';
}

function askRevoke(token) {
	revoking = token;
	byId('revoke-problem').textContent = '';
	byId('revoke-text').textContent = `Whatever uses “${token.name}” can no longer pull, at once and for good.`
		+ (token.id === listing.saved ? ' It is the one that is saved on this machine.' : '');
	byId('revoke').showModal();
	byId('revoke-keep').focus();
}

async function revoke() {
	if (busy) return;
	busy = true;
	byId('revoke-send').setAttribute('aria-disabled', 'true');
	try {
		await call('DELETE', {id: revoking.id});
		byId('revoke').close();
		await load(`“${revoking.name}” is revoked.`);
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
// Not by a key pressed in passing: the pair cannot be had again.
byId('made').addEventListener('cancel', event => {
	event.preventDefault();
	byId('made-status').textContent = 'Copy it first; Done closes this.';
	byId('made-done').focus();
});
byId('create').addEventListener('cancel', event => { if (busy) event.preventDefault(); });
document.querySelectorAll('[data-close]').forEach(button => {
	button.addEventListener('click', () => {
		const pane = button.closest('dialog');
		if (busy && pane.id !== 'made') return;
		if (pane.id === 'made') forget();
		pane.close();
	});
});
window.addEventListener('pagehide', forget);

load();
watch();
