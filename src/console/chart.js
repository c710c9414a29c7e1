// Bars, drawn in SVG: what three pictures need and no more.

import { h, svg, uniqueId } from './dom.js';

const HEIGHT = 150;
const LEFT = 40, TOP = 8, BOTTOM = 20;   // room for the numbers, in pixels
const LABEL_WIDTH = 64;

export class BarChart {
    #bars = [];

    constructor(title) {
        this.title = title;
        this.note = h('p', { class: 'note', id: uniqueId() }, '…');
        this.place = h('div', { class: 'plot' });
        this.element = h('figure', { class: 'chart' },
                         h('figcaption', {}, title), this.place, this.note);

        new ResizeObserver(() => this.#draw()).observe(this.place);
    }

    // bars: {label, value, tip}; note: what is shown, over which time
    show(bars, note) {
        this.#bars = bars;
        this.note.textContent = note;
        this.#draw();
    }

    #draw() {
        const bars = this.#bars;
        const width = this.place.clientWidth;

        if (!width || !bars.length) {
            this.place.replaceChildren();
            return;
        }

        const top = nice(Math.max(...bars.map(({ value }) => value), 1));
        const step = (width - LEFT) / bars.length;
        const high = HEIGHT - TOP - BOTTOM;
        const y = (value) => TOP + high * (1 - value / top);

        this.place.replaceChildren(svg('svg', {
            width, height: HEIGHT, role: 'img',
            'aria-label': this.title, 'aria-describedby': this.note.id,
        }, [0, top / 2, top].map((value) => scale(y(value), width, value)),
           bars.map((bar, i) => svg('rect', {
               x: LEFT + i * step + step * .1, width: step * .8,
               y: y(bar.value), height: y(0) - y(bar.value),
           }, svg('title', {}, bar.tip))),
           labels(bars, step, width)));
    }
}

function scale(y, width, value) {
    return [svg('line', { class: 'grid', x1: LEFT, x2: width, y1: y, y2: y }),
            svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' },
                value >= 10000 ? `${value / 1000}k` : value)];
}

// as many as there is room for
function labels(bars, step, width) {
    const every = Math.ceil(LABEL_WIDTH / step);

    return bars.map(({ label }, i) => i % every ? null
        : svg('text', { y: HEIGHT - 4, 'text-anchor': 'middle',
                        x: Math.min(LEFT + (i + .5) * step, width - 18) },
              label));
}

// the next of 2, 4, 10, 20, 40, 100 ...
function nice(n) {
    for (let power = 1; ; power *= 10) {
        for (const digit of [2, 4, 10]) {
            if (digit * power >= n) {
                return digit * power;
            }
        }
    }
}
