// Elements are made here and nowhere else: text is always text, never markup.

// on: handlers by event; other attributes as they are, false leaves one out
export function h(name, attributes = {}, ...children) {
    return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
    return fill(document.createElementNS('http://www.w3.org/2000/svg', name),
                attributes, children);
}

function fill(element, { on = {}, ...attributes }, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value !== false && value !== undefined && value !== null) {
            element.setAttribute(name, value === true ? '' : value);
        }
    }

    for (const [event, handler] of Object.entries(on)) {
        element.addEventListener(event, handler);
    }

    element.append(...children.flat(Infinity).filter((child) =>
        child !== null && child !== undefined && child !== false));
    return element;
}

// for those who do not see the page
export function say(text) {
    document.getElementById('spoken').textContent = text;
}

let last = 0;

export function uniqueId() {
    return `n${++last}`;
}

export function field(label, input, hint) {
    input.id ||= uniqueId();
    const note = hint && h('small', { id: uniqueId() }, hint);

    if (note) {
        input.setAttribute('aria-describedby', note.id);
    }

    return h('div', { class: 'field' },
             h('label', { for: input.id }, label), input, note);
}

export function choice(options, attributes = {}) {
    return h('select', attributes, options.map(
        ([value, text]) => h('option', { value }, text)));
}

// a sentence that something went wrong, and what can be done about it
export function problem(text, ...buttons) {
    return h('div', { class: 'problem', role: 'alert' }, h('p', {}, text),
             buttons.length ? h('p', { class: 'buttons' }, buttons) : null);
}

// takes away what has the focus, which then is where the page begins
export function dismiss(element) {
    element.remove();
    document.getElementById('main').focus({ preventScroll: true });
}

export function button(text, handler, attributes = {}) {
    return h('button', { type: 'button', ...attributes,
                         on: { click: handler } }, text);
}

// An id is long and nobody reads it: eight digits, and all of it to copy.
export function tokenId(id) {
    const short = `${id.slice(0, 8)}…`;
    const copy = button(short, async () => {
        const done = await copied(id);
        copy.textContent = done ? 'Copied' : id;
        copy.classList.toggle('whole', !done);
        say(done ? `Copied token id ${id}` : `Token id ${id}`);

        if (done) {
            setTimeout(() => { copy.textContent = short; }, 1500);
        }
    }, { class: 'id', title: `${id} – click to copy`,
         'aria-label': `${short} copy token id` });
    return copy;
}

// the clipboard is only there on https and localhost
async function copied(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false;
    }
}

// tabs: [[name, title, panel], ...]; the name of the open one is in the URL
export class Tabs {
    #tabs;
    #onopen;

    constructor(label, tabs, onopen = () => {}) {
        this.#onopen = onopen;
        this.#tabs = tabs.map(([name, title, panel]) => {
            const id = uniqueId();
            const tab = h('button', {
                type: 'button', role: 'tab', id, 'data-name': name,
                'aria-controls': (panel.id ||= uniqueId()),
                on: { click: () => this.open(name),
                      keydown: (event) => this.#keydown(event, name) },
            }, title);
            return { name, tab, panel };
        });

        for (const { tab, panel } of this.#tabs) {
            if (!panel.hasAttribute('role')) {
                panel.setAttribute('role', 'tabpanel');
                panel.setAttribute('aria-labelledby', tab.id);
            }
        }

        this.element = h('div', { role: 'tablist', 'aria-label': label },
                         this.#tabs.map(({ tab }) => tab));

        addEventListener('hashchange', () => this.follow());

        // once it has a size, and when the window or a title gets another
        const sizes = new ResizeObserver(() => this.#reveal());
        [this.element, ...this.element.children].forEach(
            (element) => sizes.observe(element));
    }

    // opens the tab that the URL names, else stays, at first in the first one
    follow() {
        const name = location.hash.slice(1);
        this.open(this.#find(name) ? name : this.name ?? this.#tabs[0].name);
    }

    title(name, text) {
        this.#find(name).tab.textContent = text;
    }

    open(name) {
        history.replaceState(null, '', `#${name}`);

        if (this.name === name) {
            return;
        }

        this.name = name;
        const { panel: shown } = this.#find(name);

        for (const { name: each, tab, panel } of this.#tabs) {
            const selected = each === name;
            tab.setAttribute('aria-selected', selected);
            tab.tabIndex = selected ? 0 : -1;
            panel.hidden = panel !== shown;

            // several tabs may share a panel
            if (selected && panel.getAttribute('role') === 'tabpanel') {
                panel.setAttribute('aria-labelledby', tab.id);
            }
        }

        this.#reveal();
        this.#onopen(name);
    }

    // a phone has no room for all of them
    #reveal() {
        const { tab } = this.#find(this.name);
        this.element.scrollLeft = tab.offsetLeft
            - (this.element.clientWidth - tab.offsetWidth) / 2;
    }

    #find(name) {
        return this.#tabs.find((tab) => tab.name === name);
    }

    #keydown(event, name) {
        const at = this.#tabs.findIndex((tab) => tab.name === name);
        const last = this.#tabs.length - 1;
        const to = { ArrowRight: at === last ? 0 : at + 1,
                     ArrowLeft: at === 0 ? last : at - 1,
                     Home: 0, End: last }[event.key];

        if (to !== undefined) {
            event.preventDefault();
            this.open(this.#tabs[to].name);
            this.#tabs[to].tab.focus();
        }
    }
}
