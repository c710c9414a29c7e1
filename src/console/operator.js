// The operators' page: the fleet, the set, revoking, and the trail of acts.

import { h, Tabs, tokenId } from './dom.js';
import { moment } from './words.js';
import { fleetPanel } from './fleet.js';
import { searchPanel } from './search.js';
import { scopePanel } from './scope.js';
import { PagedList } from './paged_list.js';

const IDS_SHOWN = 8;

// what the trail knows besides revoking
const ACTS = {
    merge: 'gave Redis what it had lost',
    unknown: 'an entry that no edge understands',
};

export function operatorPage() {
    const revoke = scopePanel();
    const panels = {
        fleet: ['Fleet', fleetPanel()],
        revocations: ['Revocations', searchPanel((id) => {
            tabs.open('revoke');
            revoke.fill(id);
        })],
        revoke: ['Revoke', revoke],
        log: ['Audit log', logPanel()],
    };
    let stop = () => {};

    // a panel works only while it is open
    const tabs = new Tabs('What to look at',
        Object.entries(panels).map(([name, [title, { element }]]) =>
            [name, title, element]),
        (name) => {
            stop();
            stop = panels[name][1].start();
        });

    const page = h('div', { class: 'operator' },
        h('h1', {}, 'Token revocation'), tabs.element,
        Object.values(panels).map(([, { element }]) => element));

    tabs.follow();
    return page;
}

function logPanel() {
    const list = new PagedList({
        path: 'log', caption: 'Acts, newest first', noun: 'act',
        empty: 'Nothing has been done so far.',
        columns: [
            ['When', (act) => moment(act.at)],
            ['Who', (act) => act.by ?? '–', 'name'],
            ['What', what, 'why'],
            ['Why', (act) => act.reason ?? '–', 'why'],
            ['Position', (act) => h('code', {}, act.position)],
        ],
    });

    return { element: h('section', { 'aria-label': 'Audit log' }, list.element),
             start: () => { list.show(); return () => {}; } };
}

function what({ act, partner, store, count: n = 0, ids = [] }) {
    const shown = ids.slice(0, IDS_SHOWN);
    const scope = [partner && `of ${partner}`, store && `for ${store}`]
        .filter(Boolean).join(' ');

    return [ACTS[act] ?? (scope && `all tokens ${scope}: `),
            h('span', { class: 'ids' }, shown.map(tokenId)),
            n > shown.length && shown.length
                ? h('small', {}, ` and ${n - shown.length} more`) : null];
}
