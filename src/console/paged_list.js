// A list that comes page by page from the API, as far as somebody reads on.

import { h, button, problem } from './dom.js';
import { count } from './words.js';
import { get } from './api.js';

const PAGE = 100;
const ROUNDS_MAX = 10;                   // pages can be short, even empty

export class PagedList {
    // columns: [[title, item -> content, class], ...]; the first one heads
    // the row
    constructor({ path, caption, columns, noun = 'entry', nouns, empty }) {
        Object.assign(this, { path, columns, noun, nouns, empty });

        this.rows = h('tbody', { role: 'rowgroup' });
        this.status = h('span', { class: 'loaded', role: 'status',
                                  tabindex: -1 });
        this.more = button('Show more', () => this.loading || this.#next(),
                           { hidden: true });
        this.trouble = h('div');

        this.element = h('div', { class: 'list' }, this.trouble,
            h('div', { class: 'scroll' },
              h('table', { class: 'plain', role: 'table' },
                h('caption', { class: 'unseen' }, caption),
                h('thead', { role: 'rowgroup' },
                  h('tr', { role: 'row' }, columns.map(([title]) =>
                    h('th', { scope: 'col', role: 'columnheader' }, title)))),
                this.rows)),
            h('div', { class: 'pager' }, this.status, this.more));
    }

    // keep: item -> shown or not
    async show(query = {}, keep = () => true) {
        Object.assign(this, { query, keep, cursor: undefined, n: 0,
                              turn: {} });
        this.rows.replaceChildren();
        this.more.hidden = true;
        await this.#next();
    }

    async #next() {
        const { turn } = this;
        const enough = this.n + PAGE;

        this.loading = true;
        this.trouble.replaceChildren();

        try {
            for (let i = 0; i < ROUNDS_MAX && this.n < enough; i++) {
                this.#tell('Loading');
                const { items, next, trimmed } = await get(this.path,
                    { limit: PAGE, ...this.query, cursor: this.cursor });

                if (turn !== this.turn) {
                    return;
                }

                const kept = items.filter(this.keep);
                this.cursor = next;
                this.n += kept.length;
                this.rows.append(...kept.map((item) => this.#row(item)));

                this.older = trimmed;

                if (!next) {
                    break;
                }
            }

            // the focus does not go with the button
            if (!this.cursor && document.activeElement === this.more) {
                this.status.focus();
            }

            this.more.hidden = !this.cursor;
            this.#tell(this.cursor ? 'There is more'
                       : this.older ? 'Older ones are not kept'
                       : 'That is all');
        } catch (failure) {
            if (turn !== this.turn) {
                return;
            }

            this.status.textContent = '';
            this.trouble.replaceChildren(problem(
                `The list could not be loaded. ${failure.message}`,
                button('Try again', () => this.#next())));
        } finally {
            if (turn === this.turn) {
                this.loading = false;
            }
        }
    }

    #tell(state) {
        this.status.textContent = this.n || this.cursor
            ? `${count(this.n, this.noun, this.nouns)}. ${state}.`
            : state === 'That is all' ? this.empty : `${state}.`;
    }

    #row(item) {
        return h('tr', { role: 'row', 'data-id': item.id },
            this.columns.map(([title, content, kind], i) => i === 0
                ? h('th', { role: 'rowheader', scope: 'row' },
                    h('span', {}, content(item)))
                : h('td', { role: 'cell', 'data-label': title, class: kind },
                    h('span', {}, content(item)))));
    }
}
