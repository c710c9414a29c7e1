// A table of tokens: columns, sorting, pages, and boxes to tick.  On a narrow
// window each row becomes a card (console.css), so cells carry their label.

import { h, say, choice, button, tokenId, uniqueId } from './dom.js';
import { STATES, works, date, moment, ago, count } from './words.js';

const PAGE_SIZES = [50, 100, 200];

const when = (text) => text
    ? h('time', { datetime: text, title: moment(text) }, date(text)) : '–';

// value: to sort by; cell: what is shown, by default the value
export const COLUMNS = {
    partner: { title: 'Partner', value: (token) => token.partner ?? '',
               head: true },
    store: { title: 'Store', value: (token) => token.store ?? '', head: true },
    token: { title: 'Token', value: (token) => token.id, cell: tokenCell },
    apis: { title: 'APIs',
            value: (token) => (token.apis ?? []).join(', ') || '–' },
    issued: { title: 'Issued', value: (token) => token.issued_at ?? '',
              cell: (token) => when(token.issued_at) },
    expires: { title: 'Expires', value: (token) => token.expires_at ?? '',
               cell: (token) => when(token.expires_at) },
    status: { title: 'Status',
              value: (token) => Object.keys(STATES).indexOf(token.state),
              cell: statusCell },
    tried: { title: 'Last tried', value: (token) => token.last_try ?? '',
             cell: triedCell },
    revoked: { title: 'Revoked', value: (token) => token.revoked_at ?? '',
               cell: revokedCell },
};

function tokenCell(token) {
    const { renews, renewed_by: renewal } = token;
    const note = renews ? `renews ${renews.slice(0, 8)}…`
               : renewal ? `renewed by ${renewal.slice(0, 8)}…` : null;
    return [tokenId(token.id), note && h('small', {}, note)];
}

function statusCell(token) {
    const hint = token.state === 'renewed'
        ? 'There is a newer token; this one works until it expires' : null;
    return h('span', { class: `state ${token.state}`, title: hint },
             STATES[token.state] ?? token.state);
}

function triedCell(token) {
    if (!token.tries) {
        return '–';
    }
    return [h('time', { datetime: token.last_try,
                        title: moment(token.last_try) }, ago(token.last_try)),
            h('small', {}, `${count(token.tries, 'call')} refused`)];
}

function revokedCell(token) {
    if (!token.revoked_at) {
        return '–';
    }
    return [when(token.revoked_at),
            h('small', { class: 'why' },
              [token.revoked_by && `by ${token.revoked_by}`, token.reason]
                  .filter(Boolean).join(': '))];
}

// how to sort: a column, "-" before it: downwards
const keyOf = (sort) => sort.replace('-', '');
const isDown = (sort) => sort[0] === '-';
const inWords = (sort) => `by ${COLUMNS[keyOf(sort)].title}, `
                          + (isDown(sort) ? 'downwards' : 'upwards');


export class TokenTable {
    #columns;
    #sort;
    #onselect;
    #tokens = [];
    #selected = new Set();               // ids
    #first = 0;                          // of those on this page

    // columns: keys of COLUMNS
    constructor({ caption, columns, sort, selectable = true, empty,
                  onselect = () => {} }) {
        this.#onselect = onselect;
        this.empty = empty;

        this.body = h('tbody', { role: 'rowgroup' });
        this.all = h('input', { type: 'checkbox',
                                'aria-label': 'Select all on this page',
                                on: { change: () => this.#tickAll() } });
        this.heads = new Map();
        this.headRow = h('tr', { role: 'row' });
        this.sorter = choice([], { 'aria-label': 'Sort by',
            on: { change: () => this.#sortBy(this.sorter.value) } });
        this.range = h('span');
        this.previous = button('Previous', () => this.#turn(-1));
        this.next = button('Next', () => this.#turn(1));
        this.size = choice(PAGE_SIZES.map((n) => [n, `${n} a page`]),
            { 'aria-label': 'Rows a page',
              on: { change: () => this.#draw() } });
        this.turning = [this.previous, this.next, this.size];

        this.element = h('div', { class: 'tokens' },
            h('div', { class: 'sorter' }, this.sorter),
            h('div', { class: 'scroll' },
              h('table', { role: 'table' },
                h('caption', { class: 'unseen' }, caption),
                h('thead', { role: 'rowgroup' }, this.headRow), this.body)),
            h('div', { class: 'pager' }, this.range, this.turning));

        this.look({ columns, sort, selectable });
    }

    // other columns, for another tab
    look({ columns, sort, selectable = true }) {
        this.#columns = columns;
        this.#sort = sort;
        this.selectable = selectable;
        this.#drawHead();
    }

    // what is ticked and not shown any more is not ticked any more
    show(tokens, { keepPage = false } = {}) {
        this.#tokens = tokens;
        this.#first = keepPage ? this.#first : 0;

        const ids = new Set(tokens.filter(works).map((token) => token.id));
        this.#selected = new Set([...this.#selected].filter(
            (id) => ids.has(id)));

        this.#draw();
        this.#onselect();
    }

    get selected() {
        return this.#tokens.filter((token) => this.#selected.has(token.id));
    }

    #drawHead() {
        this.heads.clear();

        for (const key of this.#columns) {
            this.heads.set(key, h('th', { scope: 'col', role: 'columnheader' },
                button(COLUMNS[key].title, () => this.#sortBy(
                    this.#sort === key ? `-${key}` : key))));
        }

        this.headRow.replaceChildren(
            ...(this.selectable
                ? [h('th', { scope: 'col', role: 'columnheader',
                             class: 'tick' },
                     h('label', {}, this.all,
                       h('span', { class: 'unseen' }, 'Select')))]
                : []),
            ...this.heads.values());

        this.sorter.replaceChildren(...this.#columns
            .flatMap((key) => [key, `-${key}`])
            .map((sort) => h('option', { value: sort },
                             `Sort ${inWords(sort)}`)));
    }

    #sortBy(sort) {
        this.#sort = sort;
        this.#first = 0;
        this.#draw();
        say(`Sorted ${inWords(sort)}`);
    }

    #sorted() {
        const { value } = COLUMNS[keyOf(this.#sort)];
        const down = isDown(this.#sort);

        return this.#tokens
            .map((token) => [value(token), token])
            .sort(([a, x], [b, y]) => ((a > b) - (a < b)) * (down ? -1 : 1)
                                      || works(y) - works(x)
                                      || (x.id > y.id) - (x.id < y.id))
            .map(([, token]) => token);
    }

    #draw() {
        const size = Number(this.size.value);
        const last = Math.max(this.#tokens.length - 1, 0);
        const first = Math.min(this.#first, last);

        this.#first = first - first % size;
        this.shown = this.#sorted().slice(this.#first, this.#first + size);

        for (const [key, head] of this.heads) {
            head.setAttribute('aria-sort', key !== keyOf(this.#sort) ? 'none'
                : isDown(this.#sort) ? 'descending' : 'ascending');
        }
        this.sorter.value = this.#sort;

        this.#drawRows();
        this.#drawPager();
        this.#drawAll();
    }

    #drawRows() {
        const at = document.activeElement;
        const id = this.body.contains(at) ? at.closest('tr').dataset.id : null;

        this.body.replaceChildren(...this.shown.map((t) => this.#row(t)));

        if (!this.shown.length) {
            this.body.append(h('tr', { role: 'row', class: 'empty' },
                h('td', { role: 'cell', colspan: this.headRow.children.length },
                  this.empty)));
        }

        // rows are made anew, and the focus goes on
        if (id) {
            this.body.querySelector(`[data-id="${id}"] ${at.tagName}`)
                ?.focus({ preventScroll: true });
        }
    }

    #row(token) {
        const id = uniqueId();
        const cells = this.#columns.map((key) => {
            const { title, value, cell = value, head } = COLUMNS[key];
            return h(head ? 'th' : 'td',
                     head ? { role: 'rowheader', scope: 'row', id,
                              'data-label': title }
                          : { role: 'cell', 'data-label': title },
                     h('span', {}, cell(token)));
        });

        if (this.selectable) {
            cells.unshift(h('td', { role: 'cell', class: 'tick' },
                            works(token) ? this.#box(token) : null));
        }

        return h('tr', { role: 'row', 'data-id': token.id, class: token.state },
                 cells);
    }

    #box(token) {
        const box = h('input', { type: 'checkbox', 'aria-label':
            `Select token ${token.id.slice(0, 8)} of ${token.partner} `
            + `for ${token.store}` });
        box.checked = this.#selected.has(token.id);
        box.addEventListener('change', () => this.#tick([token], box.checked));
        return box;
    }

    #tick(tokens, on) {
        for (const { id } of tokens) {
            if (on) {
                this.#selected.add(id);
            } else {
                this.#selected.delete(id);
            }
        }
        this.#drawAll();
        this.#onselect();
    }

    #tickAll() {
        const on = this.all.checked;
        this.#tick(this.shown.filter(works), on);
        for (const box of this.body.querySelectorAll('input')) {
            box.checked = on;
        }
    }

    #drawAll() {
        const can = this.shown.filter(works);
        const ticked = can.filter(({ id }) => this.#selected.has(id));

        this.all.disabled = !can.length;
        this.all.checked = can.length > 0 && ticked.length === can.length;
        this.all.indeterminate = ticked.length > 0 && !this.all.checked;

        for (const row of this.body.rows) {
            row.classList.toggle('ticked',
                                 this.#selected.has(row.dataset.id));
        }
    }

    #drawPager() {
        const total = this.#tokens.length;
        const end = this.#first + this.shown.length;

        this.range.textContent = total
            ? `${this.#first + 1}–${end} of ${count(total, 'token')}` : '';
        this.previous.disabled = this.#first === 0;
        this.next.disabled = end === total;

        for (const control of this.turning) {
            control.hidden = total <= PAGE_SIZES[0];
        }
    }

    #turn(by) {
        const [here, back] = by > 0 ? [this.next, this.previous]
                                    : [this.previous, this.next];

        this.#first += by * Number(this.size.value);
        this.#draw();
        this.element.scrollIntoView({ block: 'nearest' });
        say(this.range.textContent);

        // what is disabled loses the focus
        (here.disabled ? back : here).focus({ preventScroll: true });
    }
}
