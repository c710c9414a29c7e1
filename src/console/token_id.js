// A token's id is made here: the token itself never leaves the page.

// the first 128 bits of SHA-256; a first half of zero becomes 1
export async function idOfToken(token) {
    if (!globalThis.crypto?.subtle) {
        throw new Error('The browser makes ids of tokens only on pages that '
                        + 'come by https or from localhost.');
    }

    const digest = await crypto.subtle.digest('SHA-256',
                                              new TextEncoder().encode(token));
    const hex = [...new Uint8Array(digest, 0, 16)]
        .map((byte) => byte.toString(16).padStart(2, '0')).join('');

    return hex.replace(/^0{16}/, '0000000000000001');
}

// the id that is written there, in either case, or null
export const idIn = (text) =>
    /^(?!0{16})[0-9a-f]{32}$/i.test(text) ? text.toLowerCase() : null;

// a partner or a store; what is longer could be a token and is never sent
export const isName = (text) => /^[A-Za-z0-9._-]{1,64}$/.test(text);
