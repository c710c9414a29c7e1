// Manage Partner Tokens: the tokens of this partner, for all its stores.

import { h, field, Tabs } from './dom.js';
import { works } from './words.js';
import { TokenPage } from './token_page.js';

const COLUMNS = ['store', 'token', 'apis', 'issued', 'expires'];

const TABS = {
    active: { title: 'Active Tokens', matches: works, columns: COLUMNS,
              sort: 'store' },
    expiring: { title: 'Expiring Tokens', columns: COLUMNS, sort: 'expires',
                matches: (token) => token.state === 'expiring' },
    expired: { title: 'Expired', columns: COLUMNS, sort: '-expires',
               selectable: false,
               matches: (token) => token.state === 'expired' },
    revoked: { title: 'Revoked', sort: '-revoked', selectable: false,
               columns: [...COLUMNS, 'revoked', 'tried'],
               matches: (token) => token.state === 'revoked' },
};

export function partnerPage(who) {
    const store = h('input', { type: 'search', autocomplete: 'off' });
    const panel = h('div', { class: 'panel' });
    let open = TABS.active;

    const inTab = (token) => open.matches(token);
    const inStore = (token) => token.store.includes(store.value.trim());

    const page = new TokenPage({
        who, caption: 'Partner tokens',
        columns: open.columns, sort: open.sort,
        empty: 'No token here.',
        filters: h('div', { class: 'filters' }, field('Store', store)),
        matches: (token) => inTab(token) && inStore(token),
        onload: (tokens) => {
            for (const [name, { title, matches }] of Object.entries(TABS)) {
                tabs.title(name, `${title} (${tokens.filter(matches).length})`);
            }
        },
        button: 'Revoke Token(s)',
        listed: (token) => token.store,
        reasons: ['I no longer work with this store', 'The token was exposed',
                  'It should have a different expiry', 'Other'],
        warning: 'Calls with these tokens are refused at once; to go on, you '
                 + 'need a new token.',
        offer: (others, token) => `You still have ${others} for the store `
                                  + `${token.store}.`,
    });

    panel.append(page.element);
    store.addEventListener('input', () => page.refresh());

    const tabs = new Tabs('Tokens by state',
        Object.entries(TABS).map(([name, { title }]) => [name, title, panel]),
        (name) => {
            open = TABS[name];
            page.table.look(open);
            page.actions.hidden = open.selectable === false;
            page.refresh();
        });

    tabs.follow();

    return h('div', {},
        h('h1', {}, 'Manage Partner Tokens'),
        h('p', { class: 'intro' }, 'The tokens that stores have given you. '
          + 'Revoke a token and it is refused everywhere within a second.'),
        tabs.element, panel);
}
