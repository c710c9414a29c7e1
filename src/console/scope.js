// Revoking by token, id, partner or store: first a look at what would be hit,
// then the question, then the proof.

import { h, button, field, problem } from './dom.js';
import { count } from './words.js';
import { post } from './api.js';
import { askToRevoke, fewEnough, tokenList } from './revoke_dialog.js';
import { Proof } from './proof.js';
import { idIn, idOfToken, isName } from './token_id.js';

const REASONS = ['A token was exposed', 'The partner or store has left',
                 'Abuse', 'Other'];
const SHOWN_MAX = 200;

export function scopePanel() {
    const lines = { autocomplete: 'off', spellcheck: 'false', rows: 4 };
    const tokens = h('textarea', lines);
    const ids = h('textarea', lines);
    const partner = h('input', { type: 'text', autocomplete: 'off' });
    const store = h('input', { type: 'text', autocomplete: 'off' });
    const preview = h('div', { 'aria-live': 'polite' });
    const proof = h('div');

    // of what is filled in; an error has a sentence for the person
    const scope = async () => {
        const [secrets, hex] = [tokens, ids].map(
            ({ value }) => value.split(/\s+/).filter(Boolean));
        const names = { partner: partner.value.trim(),
                        store: store.value.trim() };
        const named = Object.entries(names).filter(([, name]) => name);

        if ([secrets, hex, named].filter((list) => list.length).length !== 1) {
            throw new Error('Fill in one of the three: tokens, ids, or a '
                            + 'partner and store.');
        }
        for (const id of hex) {
            if (!idIn(id)) {
                throw new Error(`"${id.slice(0, 40)}" is no token id: that has `
                                + '32 hexadecimal digits.');
            }
        }
        for (const [what, name] of named) {
            if (!isName(name)) {
                throw new Error(`This is no name of a ${what}.`);
            }
        }

        return named.length ? Object.fromEntries(named)
            : { ids: fewEnough([...new Set(hex.map(idIn).concat(
                    await Promise.all(secrets.map(idOfToken))))]) };
    };

    const look = async () => {
        preview.replaceChildren(h('p', { class: 'waiting' }, 'Looking …'));

        try {
            const what = await scope();
            const hit = await post('revocations', { ...what, dry_run: true });
            tokens.value = '';
            preview.replaceChildren(drawHit(what, hit));
        } catch (failure) {
            preview.replaceChildren(problem(failure.status === 404
                ? nobody(partner.value, store.value) : failure.message));
        }
    };

    // of a large scope the answer lists some, and counts all
    const drawHit = (what, { count: n, already, revoked }) =>
        h('div', { class: 'card' },
          h('h2', {}, n ? `This hits ${count(n, 'token')}`
                        : 'This hits no token'),
          already ? h('p', {}, `Revoked already, and staying so: ${already}`)
                  : null,
          n ? [shown(n, revoked),
               button(`Revoke ${count(n, 'token')} …`,
                      () => revoke(what, n, revoked), { class: 'danger' })]
            : null);

    const revoke = async (what, n, hit) => {
        const send = (reason) => post('revocations',
            { ...what, reason, ...(what.ids ? {} : { expect: n }) });
        const again = (reason) => post('revocations', { ...what, reason });

        const answer = await askToRevoke({
            title: `Revoke ${count(n, 'token')}?`, list: shown(n, hit),
            button: 'Revoke', reasons: REASONS, send,
            ids: n === hit.length ? hit.map(({ id }) => id) : [],
            warning: 'Calls with these tokens are refused at once on every '
                     + 'edge.',
            left: (note) => proof.replaceChildren(note),
            changed: look,
        });

        if (answer) {
            preview.replaceChildren();
            ids.value = partner.value = store.value = '';
            new Proof({ answer, title: `${count(n, 'token')} revoked`,
                        repeat: () => again(answer.reason) }).open(proof);
        }
    };

    const element = h('section', { 'aria-label': 'Revoke' },
        proof,
        h('form', { class: 'scope', on: { submit: (event) => {
            event.preventDefault();
            look();
        } } },
          field('Tokens, one a line', tokens,
                'Their ids are computed here; the tokens are not sent.'),
          field('Token ids, one a line', ids),
          h('div', { class: 'both' }, field('Partner', partner),
            field('Store', store, 'Both: the tokens of this partner for this '
                                  + 'store.')),
          h('p', { class: 'buttons' },
            h('button', { class: 'main' }, 'Preview'))),
        preview);

    return { element, start: () => () => {},
             fill: (id) => { ids.value = id; element.querySelector('form')
                                                    .requestSubmit(); } };
}

const nobody = (partner, store) => 'There is nothing to revoke: no token '
    + [partner && 'of this partner ', store && 'for this store '].join('')
    + 'is on record that has not expired.';

function shown(n, tokens) {
    const listed = ({ partner, store, already }) =>
        (partner ? `${partner} – ${store}` : 'not on record')
        + (already ? ', revoked already' : '');

    return h('div', {}, tokenList(tokens.slice(0, SHOWN_MAX), listed),
        n > SHOWN_MAX ? h('p', { class: 'note' },
                          `and ${count(n - SHOWN_MAX, 'more', 'more')}`)
                      : null);
}
