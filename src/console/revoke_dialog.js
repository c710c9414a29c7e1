// Asks before it revokes: what exactly, and why.  Resolves to the answer of
// the API, or to null when the person thought better of it or would not wait.

import { h, button, dismiss, problem, say } from './dom.js';
import { count, date } from './words.js';
import { get, Failure } from './api.js';

const REASON_MAX_LEN = 256;
const CHECKS_AT_ONCE = 10;

export const REVOKE_MAX = 1000;          // ids that the API takes in one call

const TO_SETTLE = 'To settle it, revoke again: that is always safe, what is '
                  + 'revoked stays so.';

/*
 * title, button: texts
 * list     what will be revoked, an element
 * reasons  to choose from; the last one asks for words
 * send     of the reason, does it
 * ids      of what will be revoked, if known: to find out what happened
 * left     of a note for the page, when somebody leaves before it is known
 *          what became of it
 * changed  called when other tokens would be hit by now, and nothing was done
 */
export function askToRevoke(options) {
    return new RevokeDialog(options).ask();
}

export function fewEnough(ids) {
    if (ids.length > REVOKE_MAX) {
        throw new Error(`These are ${count(ids.length, 'token')}: `
                        + `${REVOKE_MAX.toLocaleString()} at most at a time.`);
    }
    return ids;
}

// listed: token -> whose it is
export function tokenList(tokens, listed) {
    return h('ul', { class: 'hit', tabindex: 0,
                     'aria-label': 'Tokens to be revoked' },
        tokens.map((token) => h('li', {},
            h('code', {}, `${token.id.slice(0, 8)}…`),
            h('span', {}, listed(token)),
            token.expires_at
                ? h('small', {}, `expires ${date(token.expires_at)}`)
                : null)));
}


class RevokeDialog {
    #options;

    constructor(options) {
        this.#options = options;

        this.reasons = options.reasons.map((text) =>
            h('input', { type: 'radio', name: 'reason', value: text,
                         required: true }));
        this.words = h('input', { type: 'text', autocomplete: 'off',
                                  maxlength: REASON_MAX_LEN - 10,
                                  'aria-label': 'Other reason, in words' });
        this.go = h('button', { type: 'submit', class: 'danger' },
                    options.button);
        this.cancel = button('Cancel', () => this.dialog.close());
        this.trouble = h('div');

        const last = this.reasons.length - 1;
        this.words.addEventListener('input', () => {
            this.reasons[last].checked = true;
        });

        this.dialog = h('dialog', { 'aria-labelledby': 'ask-title' },
            h('form', { on: { submit: (event) => {
                event.preventDefault();
                this.#send();
            } } },
              h('h2', { id: 'ask-title' }, options.title),
              options.list,
              h('fieldset', {}, h('legend', {}, 'Why?'),
                this.reasons.map((input, i) => h('label', {}, input,
                    h('span', {}, options.reasons[i]),
                    i === last ? this.words : null))),
              h('p', { class: 'warning' }, h('strong', {},
                'This cannot be undone. '), options.warning),
              this.trouble,
              h('p', { class: 'buttons' }, this.cancel, this.go)));

        this.dialog.addEventListener('cancel', (event) => {
            if (this.busy) {
                event.preventDefault();
            }
        });
    }

    ask() {
        document.body.append(this.dialog);
        this.dialog.showModal();
        this.dialog.querySelector('h2').scrollIntoView();

        return new Promise((resolve) => {
            this.dialog.addEventListener('close', () => {
                // Escape must not hide an answer that is on its way, and a
                // browser lets nobody refuse it for ever
                if (this.busy) {
                    this.dialog.showModal();
                    return;
                }

                this.dialog.remove();
                resolve(this.answer ?? null);

                if (this.unknown && !this.answer) {
                    this.#options.left(note(this.#options.title,
                                            this.unknown));
                }
                if (this.changed) {
                    this.#options.changed();
                }
            });
        });
    }

    get #reason() {
        const at = this.reasons.findIndex((input) => input.checked);
        const text = this.#options.reasons[at];
        const words = this.words.value.trim();
        return at === this.reasons.length - 1 && words ? words : text;
    }

    async #send() {
        this.#wait('Revoking …');

        try {
            this.answer = await this.#options.send(this.#reason);
            this.answer.reason = this.#reason;
            this.busy = false;
            this.dialog.close();
        } catch (failure) {
            this.#failed(failure);
        }
    }

    #wait(text) {
        this.busy = true;
        this.go.disabled = this.cancel.disabled = true;
        this.go.textContent = text;
        this.trouble.replaceChildren();
        say(text);
    }

    #failed(failure) {
        const { ids = [], button: text } = this.#options;
        const unknown = failure.outcome === 'unknown';

        this.unknown = unknown ? failure : this.unknown;
        this.changed = failure.type === 'unexpected';
        this.busy = false;
        this.go.hidden = this.go.disabled = this.changed;
        this.cancel.disabled = false;
        this.go.textContent = unknown ? 'Revoke again'
                            : failure.status === 503 ? 'Try again' : text;
        this.cancel.textContent = this.unknown ? 'Close'
                                : this.changed ? 'Preview again' : 'Cancel';

        const sentence = [failure.message];

        if (unknown) {
            sentence.push(TO_SETTLE);
        }
        if (failure.ids?.length) {
            sentence.push('These are the ones: ' + failure.ids.map(
                (id) => `${id.slice(0, 8)}…`).join(', '));
        }

        this.trouble.replaceChildren(problem(sentence.join(' '),
            ...(unknown && ids.length
                ? [button('Check now', () => this.#check())] : [])));
        (this.changed ? this.cancel : this.go).focus();
    }

    // asks what became of it; what is revoked already can be repeated at once,
    // which brings the proof and changes nothing
    async #check() {
        const { ids } = this.#options;
        let revoked = 0;

        this.#wait('Checking …');

        try {
            for (let i = 0; i < ids.length; i += CHECKS_AT_ONCE) {
                const some = ids.slice(i, i + CHECKS_AT_ONCE);
                revoked += (await Promise.all(some.map(isRevoked)))
                    .filter(Boolean).length;
            }
        } catch {
            this.#failed(notKnown('That cannot be said right now: the '
                                  + 'service does not answer.'));
            return;
        }

        if (revoked === ids.length) {
            this.#send();
            return;
        }

        this.#failed(notKnown(revoked
            ? `${count(revoked, 'token')} of ${ids.length} `
              + `${revoked === 1 ? 'is' : 'are'} revoked so far.`
            : 'Nothing is revoked so far.'));
    }
}

function note(title, failure) {
    const element = problem(`${title} ${failure.message} ${TO_SETTLE}`,
                            button('Close', () => dismiss(element)));
    return element;
}

const notKnown = (sentence) => new Failure(sentence, { outcome: 'unknown' });

async function isRevoked(id) {
    try {
        await get(`revocations/${id}`);
        return true;
    } catch (failure) {
        if (failure.status === 404) {
            return false;
        }
        throw failure;
    }
}
