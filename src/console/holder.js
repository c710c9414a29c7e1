// Without a registry nobody knows whose a token is: who holds its text may
// revoke it, and sees what was revoked so.

import { h, field, problem, tokenId } from './dom.js';
import { count, date, moment } from './words.js';
import { post } from './api.js';
import { askToRevoke, fewEnough, tokenList } from './revoke_dialog.js';
import { Proof } from './proof.js';
import { PagedList } from './paged_list.js';
import { idOfToken } from './token_id.js';

const REASONS = ['It is no longer used', 'It was exposed',
                 'It should have a different expiry', 'Other'];

export function holderPage() {
    const text = h('textarea', { rows: 4, autocomplete: 'off',
                                 spellcheck: 'false', required: true });
    const trouble = h('div');
    const proof = h('div');

    const list = new PagedList({
        path: 'revocations', caption: 'What you have revoked',
        noun: 'revocation', empty: 'You have revoked nothing so far.',
        columns: [
            ['Token', ({ id }) => tokenId(id)],
            ['Revoked', (item) => moment(item.revoked_at)],
            ['Why', ({ reason }) => reason ?? '–', 'why'],
            ['Expires', (item) => date(item.expires_at)],
        ],
    });

    const ask = async (event) => {
        event.preventDefault();
        trouble.replaceChildren();
        const tokens = [...new Set(text.value.split(/\s+/).filter(Boolean))];

        try {
            fewEnough(tokens);
            await revoke(tokens, await Promise.all(tokens.map(idOfToken)));
        } catch (failure) {
            trouble.replaceChildren(problem(failure.message));
        }
    };

    const revoke = async (tokens, ids) => {
        const title = count(ids.length, 'token');
        const send = (reason) => post('revocations', { tokens, reason });

        const answer = await askToRevoke({
            title: `Revoke ${title}?`, button: 'Revoke', reasons: REASONS, ids,
            list: tokenList(ids.map((id) => ({ id })), () => ''), send,
            warning: 'Calls with these tokens are refused at once.',
            left: (note) => {
                proof.replaceChildren(note);
                list.show();
            },
        });

        if (answer) {
            text.value = '';
            list.show();
            new Proof({ answer, title: `${title} revoked`,
                        repeat: () => send(answer.reason) }).open(proof);
        }
    };

    list.show();

    return h('div', {},
        h('h1', {}, 'Revoke tokens'),
        h('p', { class: 'intro' }, 'Here is no list of tokens: who holds a '
          + 'token may revoke it. It is refused everywhere within a second.'),
        proof, trouble,
        h('form', { class: 'scope', on: { submit: ask } },
          field('Tokens, one a line', text),
          h('p', { class: 'buttons' },
            h('button', { class: 'danger' }, 'Revoke …'))),
        h('h2', {}, 'What you have revoked'),
        list.element);
}
