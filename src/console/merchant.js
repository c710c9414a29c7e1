// API Settings: the partners that may use the API of this store.

import { h, choice, field } from './dom.js';
import { STATES } from './words.js';
import { TokenPage } from './token_page.js';

export function merchantPage(who) {
    const partner = choice([['', 'All partners']]);
    const status = choice([['', 'All'],
                           ...Object.entries(STATES)]);

    const page = new TokenPage({
        who, caption: 'Partner API Access',
        columns: ['partner', 'token', 'apis', 'issued', 'expires', 'status',
                  'tried'],
        sort: 'partner',
        empty: 'No token here.',
        filters: h('div', { class: 'filters' }, field('Partner', partner),
                   field('Status', status)),
        matches: (token) => (!partner.value || token.partner === partner.value)
                            && (!status.value || token.state === status.value),
        onload: (tokens) => offerPartners(partner, tokens),
        button: 'Revoke',
        listed: (token) => token.partner,
        reasons: ['I no longer work with this partner',
                  'The token was exposed',
                  'It should have a different expiry', 'Other'],
        warning: 'Calls with these tokens are refused at once; to come back, '
                 + 'the partner needs a new token.',
        offer: (others, { partner: name }) =>
            `${name} still has ${others} for your store.`,
    });

    for (const input of [partner, status]) {
        input.addEventListener('change', () => page.refresh());
    }

    return h('div', {},
        h('h1', {}, 'API Settings'),
        h('section', { 'aria-labelledby': 'access' },
          h('h2', { id: 'access' }, 'Partner API Access'),
          h('p', { class: 'intro' }, 'Partners call the API of your store with '
            + 'the tokens below. Revoke a token and it is refused everywhere '
            + 'within a second.'),
          page.element));
}

function offerPartners(select, tokens) {
    const names = [...new Set(tokens.map((token) => token.partner))].sort();
    const known = [...select.options].slice(1).map((option) => option.value);

    if (names.join() !== known.join()) {
        const was = select.value;
        select.replaceChildren(select.options[0],
            ...names.map((name) => h('option', { value: name }, name)));
        select.value = names.includes(was) ? was : '';
    }
}
