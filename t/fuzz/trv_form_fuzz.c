
#include <stdlib.h>
#include <string.h>

#include "trv_form.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *body;
    trv_rc_e     rc;
    trv_form_t   form;
    const char  *error;

    body = malloc(size ? size : 1);
    memcpy(body, data, size);
    error = NULL;

    rc = trv_form_parse(body, size, &form, &error);

    if (rc != TRV_OK && (rc != TRV_INVALID || error == NULL)) {
        abort();
    }

    if (rc == TRV_OK
        && (form.token.len == 0 || form.token.len > TRV_FORM_MAX_TOKEN
            || form.token.data < body
            || form.token.data + form.token.len > body + size))
    {
        abort();
    }

    free(body);

    return 0;
}
