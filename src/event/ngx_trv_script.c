
#include <ngx_sha1.h>
#include <hiredis/hiredis.h>

#include "ngx_trv_script.h"
#include "trv_lua.h"


#define NGX_TRV_SCRIPT_SHA_LEN    40
#define NGX_TRV_SCRIPT_HEAD_ARGS  (3 + NGX_TRV_REDIS_KEYS)


typedef struct {
    ngx_str_t  text;
    u_char     sha[NGX_TRV_SCRIPT_SHA_LEN + 1];
} ngx_trv_script_t;


static ngx_trv_script_t *ngx_trv_script_get(trv_script_e script);
static ngx_int_t ngx_trv_script_argv(const char **argv, size_t *argvlen,
    int argc, ngx_str_t *bytes, ngx_log_t *log);


static ngx_trv_script_t  ngx_trv_scripts[TRV_SCRIPT_N] = {
    { ngx_null_string, "" },
#define NGX_TRV_SCRIPT_X(upper, lower)  { ngx_string(trv_lua_##lower), "" },
    TRV_SCRIPTS(NGX_TRV_SCRIPT_X)
#undef NGX_TRV_SCRIPT_X
};


ngx_int_t
ngx_trv_script_format(ngx_trv_redis_conf_t *rcf, const trv_command_t *command,
    ngx_str_t *bytes, ngx_log_t *log)
{
    int                i, n;
    size_t             argvlen[NGX_TRV_SCRIPT_HEAD_ARGS + TRV_COMMAND_MAX_ARGS];
    const char        *argv[NGX_TRV_SCRIPT_HEAD_ARGS + TRV_COMMAND_MAX_ARGS];
    ngx_trv_script_t  *script;

    if (command->script == TRV_SCRIPT_NONE) {
        return ngx_trv_script_argv(command->argv, command->argvlen,
                                   command->argc, bytes, log);
    }

    script = ngx_trv_script_get(command->script);

    argv[0] = "EVALSHA";
    argvlen[0] = sizeof("EVALSHA") - 1;
    argv[1] = (char *) script->sha;
    argvlen[1] = NGX_TRV_SCRIPT_SHA_LEN;
    argv[2] = "6";
    argvlen[2] = 1;

    for (i = 0, n = 3; i < NGX_TRV_REDIS_KEYS; i++, n++) {
        argv[n] = (char *) rcf->keys[i].data;
        argvlen[n] = rcf->keys[i].len;
    }

    for (i = 0; i < command->argc; i++, n++) {
        argv[n] = command->argv[i];
        argvlen[n] = command->argvlen[i];
    }

    return ngx_trv_script_argv(argv, argvlen, n, bytes, log);
}


ngx_int_t
ngx_trv_script_expand(trv_script_e script, ngx_str_t *bytes, ngx_log_t *log)
{
    u_char     *data, *p, *rest, *end;
    ngx_str_t  *text;

    /* *N EVALSHA sha rest -> *N EVAL text rest */

    end = bytes->data + bytes->len;
    text = &ngx_trv_script_get(script)->text;

    p = ngx_strlchr(bytes->data, end, LF);
    rest = p + 1 + sizeof("$7\r\nEVALSHA\r\n$40\r\n") - 1
           + NGX_TRV_SCRIPT_SHA_LEN + 2;

    data = ngx_alloc(bytes->len + NGX_SIZE_T_LEN + text->len, log);
    if (data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(data, bytes->data, p + 1 - bytes->data);
    p = ngx_sprintf(p, "$4\r\nEVAL\r\n$%uz\r\n%V\r\n", text->len, text);
    p = ngx_cpymem(p, rest, end - rest);

    ngx_free(bytes->data);

    bytes->data = data;
    bytes->len = p - data;

    return NGX_OK;
}


static ngx_trv_script_t *
ngx_trv_script_get(trv_script_e n)
{
    u_char             sha1[NGX_TRV_SCRIPT_SHA_LEN / 2];
    ngx_sha1_t         ctx;
    ngx_trv_script_t  *script;

    script = &ngx_trv_scripts[n];

    if (script->sha[0] == '\0') {
        ngx_sha1_init(&ctx);
        ngx_sha1_update(&ctx, script->text.data, script->text.len);
        ngx_sha1_final(sha1, &ctx);

        ngx_hex_dump(script->sha, sha1, sizeof(sha1));
    }

    return script;
}


static ngx_int_t
ngx_trv_script_argv(const char **argv, size_t *argvlen, int argc,
    ngx_str_t *bytes, ngx_log_t *log)
{
    int    len;
    char  *data;

    len = redisFormatCommandArgv(&data, argc, argv, argvlen);

    if (len < 0) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "redisFormatCommandArgv() failed");
        return NGX_ERROR;
    }

    /* a copy of ours: hiredis may have been told of another allocator */

    bytes->len = len;
    bytes->data = ngx_alloc(len, log);

    if (bytes->data) {
        ngx_memcpy(bytes->data, data, len);
    }

    redisFreeCommand(data);

    return bytes->data ? NGX_OK : NGX_ERROR;
}
