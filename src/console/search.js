// The revocation set: what is in it, and what is known about one token.

import { h, button, field, problem, tokenId } from './dom.js';
import { STATES, ago, count, date, moment } from './words.js';
import { get } from './api.js';
import { PagedList } from './paged_list.js';
import { idIn, idOfToken, isName } from './token_id.js';

// onrevoke(id): somebody wants to
export function searchPanel(onrevoke) {
    const text = h('input', { type: 'search', autocomplete: 'off',
                              spellcheck: 'false' });
    const kinds = [['id', 'Token id'], ['partner', 'Partner'],
                   ['store', 'Store']].map(kind);
    const token = h('input', { type: 'text', autocomplete: 'off',
                               spellcheck: 'false' });
    const tried = h('input', { type: 'checkbox' });
    const found = h('div', { 'aria-live': 'polite' });

    const list = new PagedList({
        path: 'revocations', caption: 'Revocations, newest first',
        noun: 'revocation', empty: 'No revocation here.',
        columns: [
            ['Token', (item) => tokenId(item.id)],
            ['Partner', (item) => item.partner ?? '–', 'name'],
            ['Store', (item) => item.store ?? '–', 'name'],
            ['Revoked', (item) => moment(item.revoked_at)],
            ['By', (item) => item.by ?? '–', 'name'],
            ['Why', (item) => item.reason ?? '–', 'why'],
            ['Expires', (item) => date(item.expires_at)],
            ['Tried since', triedSince],
        ],
    });

    const again = () => list.show(list.query, keep());
    const keep = () => tried.checked ? (item) => item.tries > 0 : undefined;

    // Of what looks like a name nobody can tell whether it is a token: it is
    // sent as the name that somebody says it is.  What is neither a name nor
    // an id is taken for a token, wherever it was put.
    const search = async (event) => {
        event.preventDefault();
        found.replaceChildren();
        const words = text.value.trim();
        const id = idIn(words);
        const { value: what } = kinds.find(({ input }) => input.checked).input;

        if (words === '') {
            list.show({}, keep());
        } else if (id) {
            found.replaceChildren(await tokenCard(id, onrevoke));
        } else if (!isName(words)) {
            text.value = '';
            await byToken(words);
        } else if (what === 'id') {
            found.replaceChildren(problem('This is no token id: that has 32 '
                + 'hexadecimal digits. Say so if it is a partner or a store; '
                + 'a token belongs into the other field.'));
        } else {
            list.show({ [what]: words }, keep());
        }
    };

    const byToken = async (secret) => {
        try {
            found.replaceChildren(await tokenCard(await idOfToken(secret),
                                                  onrevoke));
        } catch (failure) {
            found.replaceChildren(problem(failure.message));
        }
    };

    const paste = async (event) => {
        event.preventDefault();
        const secret = token.value.trim();
        token.value = '';
        if (secret) {
            await byToken(secret);
        }
    };

    tried.addEventListener('change', again);

    const element = h('section', { 'aria-label': 'Revocations' },
        h('div', { class: 'searches' },
          h('form', { on: { submit: search } },
            field('Token id, partner or store', text),
            h('div', { class: 'kinds', role: 'radiogroup',
                       'aria-label': 'What to search for' },
              kinds.map(({ label }) => label)),
            h('button', { class: 'main' }, 'Search')),
          h('form', { on: { submit: paste } },
            field('Or paste a token', token,
                  'Its id is computed here; the token is not sent.'),
            h('button', {}, 'Find'))),
        found,
        h('label', { class: 'check' }, tried, 'Only those tried since they '
          + 'were revoked'),
        list.element);

    return { element, start: () => { again(); return () => {}; } };
}

function kind([value, title], i) {
    const input = h('input', { type: 'radio', name: 'kind', value,
                               checked: i === 0 });
    return { input, label: h('label', { class: 'check' }, input, title) };
}

function triedSince({ tries, last_try: last }) {
    return tries ? [`${count(tries, 'call')}`, h('small', {}, ` ${ago(last)}`)]
                 : '–';
}

async function orNull(promise) {
    try {
        return await promise;
    } catch (failure) {
        if (failure.status === 404) {
            return null;
        }
        throw failure;
    }
}

async function tokenCard(id, onrevoke) {
    let record, revocation;

    try {
        [record, revocation] = await Promise.all([
            orNull(get(`tokens/${id}`)), orNull(get(`revocations/${id}`))]);
    } catch (failure) {
        return problem(failure.message);
    }

    const known = { ...record, ...revocation };
    const lines = [
        ['Token id', h('code', {}, id)],
        ['Partner', known.partner], ['Store', known.store],
        ['APIs', record?.apis?.join(', ')],
        ['Issued', record?.issued_at && moment(record.issued_at)],
        ['Expires', known.expires_at && moment(known.expires_at)],
        ['Revoked', revocation?.revoked_at && moment(revocation.revoked_at)],
        ['By', revocation?.by], ['Why', revocation?.reason],
        ['Tried since', revocation?.tries
            ? triedSince(revocation) : revocation && 'no'],
    ];

    return h('div', { class: 'card' },
        h('h2', {}, revocation ? 'This token is revoked'
                  : record ? 'This token is not revoked'
                  : 'This token is neither revoked nor on record'),
        record && h('p', {}, h('span', { class: `state ${record.state}` },
                               STATES[record.state] ?? record.state)),
        h('dl', {}, lines.filter(([, value]) => value).map(([name, value]) =>
            [h('dt', {}, name), h('dd', {}, value)])),
        revocation ? null : button('Revoke it …', () => onrevoke(id),
                                   { class: 'danger' }));
}
