// Who is asking decides which page there is to see.

import { h, button, problem } from './dom.js';
import { get } from './api.js';
import { merchantPage } from './merchant.js';
import { partnerPage } from './partner.js';
import { operatorPage } from './operator.js';
import { holderPage } from './holder.js';

const PAGES = {
    merchant: ['API Settings', merchantPage],
    partner: ['Manage Partner Tokens', partnerPage],
    operator: ['Token revocation', operatorPage],
};

const HOLDER = ['Revoke tokens', holderPage];

async function pageOf(role) {
    if (role === 'operator') {
        return PAGES[role];
    }

    try {
        await get('tokens', { limit: 1 });
    } catch (failure) {
        if (failure.type === 'no-registry') {
            return HOLDER;
        }
    }

    return PAGES[role];
}

async function start() {
    const main = document.getElementById('main');

    try {
        const { role, name } = await get('whoami');
        const [title, page] = await pageOf(role);

        document.title = title;
        document.getElementById('who').replaceChildren(
            `Signed in as ${role} `, h('strong', {}, name));
        main.replaceChildren(page(`${role} ${name}`));
    } catch (failure) {
        main.replaceChildren(problem(failure.status === 403
            ? 'You are signed in, but not as a merchant, a partner or an '
              + 'operator: there is nothing to see here for you.'
            : failure.message ?? 'This page has failed.',
            button('Try again', start)));

        if (!failure.outcome) {
            throw failure;
        }
    }
}

start();
