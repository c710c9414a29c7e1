// The fleet as it is now, and three pictures of the last hour.

import { h, problem } from './dom.js';
import { byNode, bytes, clock, count, moment, second } from './words.js';
import { get } from './api.js';
import { BarChart } from './chart.js';

const EDGES_MS = 2000;
const PICTURES_MS = 10000;

export function fleetPanel() {
    const rows = h('tbody');
    const verdict = h('p', { class: 'fleet-verdict', role: 'status' });
    const trouble = h('div');
    const pictures = new Pictures();

    const element = h('section', { 'aria-label': 'Fleet' },
        trouble, verdict,
        h('div', { class: 'scroll' }, h('table', { class: 'plain fleet' },
          h('caption', { class: 'unseen' }, 'Edges'),
          h('thead', {}, h('tr', {}, ['Edge', 'State', 'Position', 'Lag',
            'Entries', 'Size', 'Last contact', 'Version'].map(
                (title) => h('th', { scope: 'col' }, title)))),
          rows)),
        pictures.element);

    const draw = async () => {
        try {
            const { items } = await get('edges');
            trouble.replaceChildren();
            rows.replaceChildren(...items.sort(byNode).map(edgeRow));
            tell(verdict, fleetVerdict(items));
        } catch (failure) {
            trouble.replaceChildren(problem('The edges cannot be shown. '
                                            + failure.message));
            rows.replaceChildren();
            tell(verdict, '');
        }
    };

    return { element, start: () => {
        const stop = [every(EDGES_MS, draw),
                      every(PICTURES_MS, () => pictures.draw())];
        return () => stop.forEach((end) => end());
    } };
}

// now and again, while somebody looks; returns what ends it
function every(ms, draw) {
    let timer;
    const turn = async () => {
        if (!document.hidden) {
            await draw();
        }
        timer = timer === null ? null : setTimeout(turn, ms);
    };
    turn();
    return () => {
        clearTimeout(timer);
        timer = null;
    };
}

function tell(element, text) {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

function edgeState(edge) {
    return edge.lost ? ['bad', 'Lost']
         : edge.agrees ? ['good', 'In agreement']
         : ['bad', 'Not in agreement'];
}

function fleetVerdict(edges) {
    const bad = edges.filter((edge) => edgeState(edge)[0] === 'bad');

    return bad.length
        ? `${count(bad.length, 'edge')} of ${edges.length} `
          + `${bad.length === 1 ? 'needs' : 'need'} a look: `
          + bad.map((edge) => `${edge.node ?? edge.edge} (`
                    + (edge.lost ? `not heard from since `
                                   + clock(edge.heard_from)
                                 : 'not in agreement') + ')').join(', ')
        : `${count(edges.length, 'edge')}, all in agreement`;
}

function edgeRow(edge) {
    const [kind, state] = edgeState(edge);
    const contact = edge.last_contact;
    const cell = (label, ...content) =>
        h('td', { 'data-label': label }, h('span', {}, ...content));

    return h('tr', { class: kind },
        h('th', { scope: 'row' }, edge.node ?? edge.edge),
        cell('State', h('span', { class: `state ${kind}` }, state)),
        cell('Position', h('code', {}, edge.position ?? '–')),
        cell('Lag', edge.lag_ms === undefined ? '–' : `${edge.lag_ms} ms`),
        cell('Entries', edge.entries?.toLocaleString() ?? '–'),
        cell('Size', edge.bytes === undefined ? '–' : bytes(edge.bytes)),
        cell('Last contact', contact
            ? h('time', { datetime: contact, title: moment(contact) },
                edge.lost ? clock(contact) : second(contact)) : 'never'),
        cell('Version', edge.version ?? '–'));
}


class Pictures {
    constructor() {
        this.revoked = new BarChart('Revocations a minute');
        this.delay = new BarChart('Propagation delay');
        this.refused = new BarChart('Refused calls a minute');
        this.element = h('div', { class: 'charts' }, this.revoked.element,
                         this.delay.element, this.refused.element);
    }

    async draw() {
        let history;

        try {
            history = await get('history');
        } catch (failure) {
            for (const chart of [this.revoked, this.delay, this.refused]) {
                chart.show([], failure.message);
            }
            return;
        }

        const { items, propagation } = history;
        const of = (what) => items.reduce((sum, item) => sum + item[what], 0);

        this.revoked.show(perMinute(items, 'revocations', 'revoked'),
            `${count(of('revocations'), 'token')} revoked in the last hour`);

        this.refused.show(perMinute(items, 'refused', 'refused'),
            `${count(of('refused'), 'call')} refused on all edges in the last `
            + `hour, ${of('passed').toLocaleString()} let through`
            + (of('dry_run') ? `; ${count(of('dry_run'), 'call')} would have `
                               + 'been refused (dry run)' : ''));

        this.#drawDelay(propagation);
    }

    #drawDelay(steps) {
        const n = steps.reduce((sum, step) => sum + step.entries, 0);
        let before = 0;
        const half = steps.find(({ entries: own }) =>
            (before += own) >= n / 2);

        this.delay.show(steps.map(({ limit_ms: ms, entries: own }, i) => {
            const label = limit(ms, steps[i - 1]?.limit_ms);
            return { label, value: own, tip: `${label}: ${entries(own)}` };
        }), n === 0 ? 'No edge has applied anything in the last hour'
            : `${entries(n)} applied in the last hour, all edges together, `
              + `half of them ${limit(half.limit_ms,
                                      steps.at(-2)?.limit_ms)} after they `
              + 'were taken');
    }
}

// one act of revoking is one, or a few if it was large
const entries = (n) => count(n, 'entry of the log', 'entries of the log');

function limit(ms, below) {
    const text = (n) => n < 1000 ? `${n} ms` : `${n / 1000} s`;
    return ms === null ? `> ${text(below)}` : `≤ ${text(ms)}`;
}

function perMinute(items, what, verb) {
    return items.map(({ minute, [what]: value }) => {
        const label = clock(minute);
        return { label, value, tip: `${label}: ${value.toLocaleString()} `
                                    + verb };
    });
}
