// What the merchant's and the partner's page have in common: the list, the
// button, the proof, the offer to revoke the sibling too.

import { h, button, problem, say } from './dom.js';
import { count, clock, works } from './words.js';
import { pages, post } from './api.js';
import { TokenTable } from './token_table.js';
import { askToRevoke, tokenList, REVOKE_MAX } from './revoke_dialog.js';
import { Proof } from './proof.js';

export class TokenPage {
    #tokens = new Map();                 // id -> token
    #options;

    /*
     * who                             is signed in, as the API names it
     * caption, columns, sort, empty   of the table
     * filters   an element
     * matches   token -> shown or not
     * onload    called when the list has changed
     * listed    token -> whose it is, in the dialog
     * button, reasons, warning        there
     * offer     ("1 other valid token", token) -> sentence
     */
    constructor(options) {
        this.#options = options;

        this.table = new TokenTable({ ...options,
                                      onselect: () => this.#selected() });
        this.revoke = button('Revoke Selected',
                             () => this.#revoke(this.table.selected),
                             { class: 'danger', disabled: true });
        this.chosen = h('span', { class: 'chosen', 'aria-live': 'polite' });
        this.loading = h('progress', { 'aria-label': 'Loading the list' });
        this.loaded = h('span', { class: 'loaded' });
        this.trouble = h('div');
        this.proof = h('div');

        this.actions = h('div', { class: 'actions' }, this.revoke, this.chosen);

        this.element = h('div', {},
            this.proof,
            this.trouble,
            h('div', { class: 'bar' },
              options.filters,
              h('span', { class: 'state-of-list' }, this.loading, this.loaded,
                button('Refresh', () => this.load()))),
            this.table.element,
            this.actions);

        this.load();
    }

    get tokens() {
        return [...this.#tokens.values()];
    }

    async load() {
        const fresh = new Map();
        const turn = this.turn = {};     // of two loads the later one counts

        this.loading.hidden = false;
        this.trouble.replaceChildren();

        try {
            for await (const items of pages('tokens', { state: 'all' })) {
                if (turn !== this.turn) {
                    return;
                }
                for (const token of items) {
                    fresh.set(token.id, token);
                }
                this.loaded.textContent = count(fresh.size, 'token')
                                          + ' so far';

                // the first time one sees them come
                if (this.#tokens.size <= fresh.size) {
                    this.#tokens = new Map(fresh);
                    this.refresh(true);
                }
            }

            this.#tokens = fresh;
            this.refresh(true);
            this.loaded.textContent = `As of ${clock(Date.now())}`;
        } catch (failure) {
            if (turn !== this.turn) {
                return;
            }
            this.loaded.textContent = '';
            this.trouble.replaceChildren(problem(
                `The list of tokens could not be loaded. ${failure.message}`,
                button('Try again', () => this.load())));
        } finally {
            if (turn === this.turn) {
                this.loading.hidden = true;
            }
        }
    }

    refresh(keepPage = false) {
        this.table.show(this.tokens.filter(this.#options.matches),
                        { keepPage });
        this.#options.onload?.(this.tokens);
    }

    #selected() {
        const n = this.table.selected.length;

        this.revoke.disabled = n === 0 || n > REVOKE_MAX;
        this.chosen.textContent = n === 0 ? ''
            : n > REVOKE_MAX
            ? `${count(n, 'token')} selected: ${REVOKE_MAX} at most at a time`
            : `${count(n, 'token')} selected`;
    }

    async #revoke(tokens) {
        const ids = tokens.map(({ id }) => id);
        const n = tokens.length;
        const { button: text, listed, reasons, warning } = this.#options;
        const send = (reason) => post('revocations', { ids, reason });

        const answer = await askToRevoke({
            title: `Revoke ${count(n, 'token')}?`,
            list: tokenList(tokens, listed), button: text, reasons, warning,
            send, ids,
            left: (note) => {
                this.proof.replaceChildren(note);
                this.load();
            },
        });

        if (answer) {
            this.#revoked(answer, () => send(answer.reason));
        }
    }

    #revoked(answer, repeat) {
        const now = new Date().toISOString();

        for (const { id, expires_at } of answer.revoked) {
            const token = this.#tokens.get(id);

            if (token) {
                Object.assign(token, { state: 'revoked', expires_at,
                    revoked_at: token.revoked_at ?? now,
                    revoked_by: token.revoked_by ?? this.#options.who,
                    reason: token.reason ?? answer.reason });
            }
        }

        this.refresh(true);

        // a list that is on its way may be older than that
        if (!this.loading.hidden) {
            this.load();
        }

        const n = answer.revoked.length;
        new Proof({ answer, repeat, offer: this.#offer(answer),
                    title: `${count(n, 'token')} revoked` })
            .open(this.proof);
    }

    // the other tokens still work: whoever revokes one often means them all
    #offer({ also_active: others, also_active_more: more }) {
        const groups = new Map();

        for (const other of others) {
            const token = this.#tokens.get(other.id) ?? other;
            const of = `${token.partner} ${token.store}`;
            groups.set(of, [...groups.get(of) ?? [], token]);
        }

        if (!groups.size) {
            return null;
        }

        return h('div', { class: 'offer' }, [...groups.values()].map((tokens) =>
            h('p', {},
              h('span', {}, this.#options.offer((more ? 'at least ' : '')
                  + count(tokens.length, 'other valid token'), tokens[0])),
              button(tokens.length === 1 ? 'Revoke this too'
                                         : 'Revoke these too',
                     () => this.#revoke(tokens), { class: 'danger' }))));
    }
}
