// The HTTP API.  What it says no to becomes a Failure with a sentence.

const API = new URL(document.querySelector('meta[name=api]').content,
                    document.baseURI);
const PATIENCE_MS = 40000;               // above the longest "Prefer: wait"

// outcome: "unchanged", or "unknown" where a POST may or may not be in force
export class Failure extends Error {
    constructor(sentence, { outcome = 'unchanged', status = 0, type = '',
                            ids = [] } = {}) {
        super(sentence);
        Object.assign(this, { outcome, status, type, ids });
    }
}

export const get = (path, query = {}) => call('GET', path + search(query));

export const post = (path, body) => call('POST', path, {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
});

// all pages of a list, one after the other
export async function* pages(path, query = {}) {
    let cursor;

    do {
        const page = await get(path, { limit: 1000, ...query, cursor });
        yield page.items;
        cursor = page.next;
    } while (cursor);
}

async function call(method, path, options) {
    const { body } = await answer(method, path, options);

    try {
        return JSON.parse(body);
    } catch {
        throw failure(method, { status: 502, body: '' });
    }
}

async function answer(method, path, options = {}) {
    let status, body;

    try {
        const response = await fetch(new URL(path, API), {
            method, cache: 'no-store', credentials: 'same-origin',
            signal: AbortSignal.timeout(PATIENCE_MS), ...options,
        });
        status = response.status;
        body = await response.text();
    } catch {
        throw failure(method, { status: 0, body: '' });
    }

    if (status >= 400) {
        throw failure(method, { status, body });
    }

    return { status, body };
}

function search(query) {
    const given = Object.entries(query).filter(
        ([, value]) => value !== undefined && value !== '');
    return given.length ? `?${new URLSearchParams(given)}` : '';
}

const AGAIN = 'Please try again in a moment.';
const UNKNOWN = 'It may or may not be in force.';

// by status, or by type
const SENTENCES = {
    401: 'You are not signed in any more. Load the page again to sign in.',
    403: 'You may not do that.',
    404: 'It is not there, or not yours.',
    429: `That was too much at once. ${AGAIN}`,
    503: `The service cannot do that right now. ${AGAIN}`,
    unexpected: 'It would hit other tokens now than those that were shown.',
};

function failure(method, { status, body }) {
    const { detail, type = '', ids = [] } = parsed(body);
    const at = { status, type: type.split(/[/:]/).pop(), ids };
    const writes = method === 'POST';
    const said = SENTENCES[at.type] ?? SENTENCES[status]
                 ?? (status >= 400 && status < 500
                     ? detail ?? 'The service did not accept that.' : null);

    if (said) {
        return new Failure(writes && !/nothing was changed/i.test(said)
                           ? `Nothing was changed. ${said}` : said, at);
    }

    if (!writes) {
        return new Failure(`The service does not answer. ${AGAIN}`, at);
    }

    return new Failure(status === 0
        ? `The connection was lost before an answer came. ${UNKNOWN}`
        : `The service did not say in time whether it was done. ${UNKNOWN}`,
        { ...at, outcome: 'unknown' });
}

function parsed(body) {
    try {
        return JSON.parse(body) || {};
    } catch {
        return {};
    }
}
