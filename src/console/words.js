// How things are called and written on the pages.

export const STATES = {
    active: 'New',
    renewed: 'Renewed',
    expiring: 'Expiring',
    expired: 'Expired',
    revoked: 'Revoked',
};

export const works = (token) =>
    ['active', 'renewed', 'expiring'].includes(token.state);

export const count = (n, one, many = `${one}s`) =>
    `${n.toLocaleString()} ${n === 1 ? one : many}`;

// edges as people count them: edge-2 before edge-10
export const byNode = (a, b) => String(a.node).localeCompare(
    String(b.node), undefined, { numeric: true });

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const SECOND = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const BOTH = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium',
                                                  timeStyle: 'medium' });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto',
                                                     style: 'short' });
const SPANS = [['second', 60], ['minute', 60], ['hour', 24], ['day', 30],
               ['month', 12], ['year', Infinity]];

export const date = (text) => text ? DATE.format(new Date(text)) : '–';
export const second = (text) => text ? SECOND.format(new Date(text)) : '–';
export const moment = (text) => text ? BOTH.format(new Date(text)) : '–';

// "10:42", with the date if that was on another day
export function clock(time) {
    const then = new Date(time);
    const today = then.toDateString() === new Date().toDateString();
    return (today ? '' : `${DATE.format(then)}, `) + TIME.format(then);
}

export function ago(text) {
    let n = (new Date(text) - Date.now()) / 1000;

    for (const [unit, size] of SPANS) {
        if (Math.abs(n) < size) {
            return AGO.format(Math.round(n), unit);
        }
        n /= size;
    }
}

export function bytes(n) {
    const units = ['B', 'KiB', 'MiB', 'GiB'];
    let i = 0;
    for (; n >= 1024 && i < 3; i++) {
        n /= 1024;
    }
    return `${i ? n.toFixed(1) : n} ${units[i]}`;
}
