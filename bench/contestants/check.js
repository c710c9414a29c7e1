function revoked(r) {
    const header = r.headersIn['Authorization'] || '';
    return tokens[header.slice(7)] ? '1' : '';
}

export default { revoked };
