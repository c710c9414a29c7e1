// Drives Chromium for the tests: a line of JSON in {code, args}, one out
// {value} or {error}.  The code sees `page`, the axe of its accessibility run
// and what TRV::Browser passes as args.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , packages, chromium] = process.argv;
const require = createRequire(`${packages}/package.json`);
const { chromium: driver } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await driver.launch({
    executablePath: chromium,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
           '--no-first-run', '--disable-background-networking',
           '--disable-component-update', '--disable-sync'],
});

const PATIENCE_MS = 15000;
let page, complaints = [];

// a person with a window of their own
async function open(url, { name, password, ...options } = {}) {
    await page?.context().close();

    const context = await browser.newContext({
        locale: 'en-GB', timezoneId: 'UTC',
        ...(name ? { httpCredentials: { username: name, password } } : {}),
        ...options,
    });

    context.setDefaultTimeout(PATIENCE_MS);
    await context.exposeFunction('complain', (text) => complaints.push(text));
    await context.addInitScript(() => addEventListener(
        'securitypolicyviolation',
        (event) => window.complain(`policy: ${event.violatedDirective} `
                                   + `${event.blockedURI} ${event.sample}`)));

    page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(`error: ${error}`));
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) {
            complaints.push(`console: ${message.text()} `
                            + `${message.location().url}`);
        }
    });

    await page.goto(url);
}

// findings of an accessibility run that a person would stumble over
async function axe() {
    await page.evaluate(AXE);
    const { violations, passes } = await page.evaluate(() =>
        window.axe.run(document, { resultTypes: ['violations'] }));
    return { passes: passes.length, serious: violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes[0].html}`) };
}

function takeComplaints() {
    const taken = complaints;
    complaints = [];
    return taken;
}

const AsyncFunction = (async () => {}).constructor;

for await (const line of createInterface({ input: process.stdin })) {
    let answer;

    try {
        const { code, args } = JSON.parse(line);
        const run = new AsyncFunction('page', 'open', 'axe', 'takeComplaints',
                                      'args', code);
        answer = { value: await run(page, open, axe, takeComplaints, args)
                          ?? null };
    } catch (error) {
        answer = { error: String(error.message ?? error) };
    }

    process.stdout.write(`${JSON.stringify(answer)}\n`);
}

await browser.close();
