// Shows that a revocation is in force: edge by edge, as they confirm it.

import { h, button, dismiss, problem } from './dom.js';
import { byNode, clock, count } from './words.js';
import { get } from './api.js';

const POLL_MS = 150;                     // edges report within a second
const SLOW_POLL_MS = 1000;
const SLOW_AFTER_MS = 5000;              // an edge that is late is said to be
const GIVE_UP_MS = 60000;

/*
 * answer   of POST revocations
 * repeat   does it again, which is safe, and gives the new answer
 * offer    what else to do, an element or null
 */
export class Proof {
    constructor({ answer, title, repeat, offer = null }) {
        this.answer = answer;
        this.repeat = repeat;
        this.seen = [];                  // edges, as last heard

        this.summary = h('p', { class: 'verdict', role: 'status' });
        this.edges = h('ul', { class: 'edges' });
        this.more = h('p');
        this.trouble = h('div');
        this.head = h('h2', { tabindex: -1 }, title);

        this.element = h('section', { class: 'proof', 'aria-label': title },
            this.head, this.summary, this.edges, this.more, this.trouble,
            offer,
            button('Close', () => dismiss(this.element), { class: 'close' }));
    }

    open(place) {
        place.replaceChildren(this.element);
        this.head.focus();
        this.#watch();
    }

    async #watch() {
        let passed;

        this.start = performance.now();
        this.watching = true;
        this.#draw(this.seen, true, false);

        do {
            const asked = await edgesNow();

            passed = performance.now() - this.start;
            this.seen = asked ?? this.seen;

            if (!this.element.isConnected
                || this.#draw(this.seen, asked, passed > SLOW_AFTER_MS))
            {
                break;
            }

            await pause(passed > SLOW_AFTER_MS ? SLOW_POLL_MS : POLL_MS);
        } while (passed < GIVE_UP_MS);

        this.watching = false;
    }

    // true: it is proven, there is no more to come
    #draw(edges, heard, late) {
        // null: Redis took it and then did not say which edges there are
        const first = this.answer.edges ?? { live: 1, lost: 0,
            confirmed: Number(this.answer.in_force !== false) };

        // the answer can be ahead of what edges report once a second
        const states = edges.map((edge) => first.confirmed === edges.length
                                           ? 'refused' : this.#state(edge));
        const having = (state) => edges.filter((edge, i) =>
                                               states[i] === state);
        const done = Math.max(first.confirmed, having('refused').length);
        const all = edges.length || first.live + first.lost;
        const lost = having('lost'), waiting = having('waits');
        const safe = this.answer.durable !== false;
        const proven = heard && safe && done === all;

        this.edges.replaceChildren(...edges.map(
            (edge, i) => chip(edge, states[i])));
        this.#tell([
            `Refused on ${done} of ${count(all, 'edge')}`,
            ...lost.map((edge) => `${edge.node} has not been heard from since `
                                  + clock(edge.heard_from)),
            late && waiting.length && `${names(waiting)} did not confirm yet`,
            late && !heard && 'the edges cannot be asked right now',
        ].filter(Boolean).join(', ') + '.' + (safe ? '' : ' No copy of the '
            + 'database has it yet: should it fail now, this could be '
            + 'forgotten.'));

        this.element.classList.toggle('done', proven);
        this.element.classList.toggle('warn', !proven
                                              && (late || lost.length > 0));
        this.#offerRepeat(late && !proven);

        return edges.length > 0 && proven;
    }

    #tell(text) {
        if (this.summary.textContent !== text) {
            this.summary.textContent = text;
        }
    }

    #offerRepeat(wanted) {
        if (!wanted) {
            if (this.more.contains(document.activeElement)) {
                this.head.focus();
            }
            this.more.replaceChildren();
            this.trouble.replaceChildren();
        } else if (!this.more.hasChildNodes()) {
            this.more.append(button('Ask the edges again',
                                    () => this.#again()));
        }
    }

    async #again() {
        this.trouble.replaceChildren();

        try {
            this.answer = await this.repeat();
        } catch (failure) {
            this.trouble.replaceChildren(problem(
                `The edges could not be asked again. ${failure.message}`));
            return;
        }

        if (this.watching) {
            this.start = performance.now();
        } else {
            this.#watch();
        }
    }

    // as the API counts: positions of different histories cannot be compared
    #state(edge) {
        if (edge.lost) {
            return 'lost';
        }
        return edge.replication_id === this.answer.replication_id
               && reached(edge.position, this.answer.position)
               ? 'refused' : 'waits';
    }
}

const names = (edges) => edges.map(({ node }) => node).join(', ');

async function edgesNow() {
    try {
        return (await get('edges')).items.sort(byNode);
    } catch {
        return null;                     // it is asked again
    }
}

function chip(edge, state) {
    const words = { refused: 'refuses', waits: 'not yet',
                    lost: 'not heard from' };
    return h('li', { class: state, title: edge.edge },
             h('strong', {}, edge.node), ` ${words[state]}`);
}

// positions are "milliseconds-number", both too long for a Number at times
function reached(position, wanted) {
    const [a, b] = [position ?? '0-0', wanted].map(
        (text) => text.split('-').map(BigInt));
    return a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
