/*
 * Watching a descriptor from a thread that runs libuv's loop (the main thread), for sockets libuv cannot adopt.
 * uv_poll_t is used by size and accessors only, so no libuv headers are needed.
 */
#include "addon.h"

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_poll_s uv_poll_t;
enum { UV_POLL = 8 };
size_t uv_handle_size(int type);
void *uv_handle_get_data(const void *handle);
void uv_handle_set_data(void *handle, void *data);
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, void (*call)(uv_poll_t *, int, int));
void uv_close(void *handle, void (*call)(void *));

struct watch {
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  uv_poll_t *handle;
  bool closing;
};

static void on_closed(void *handle) {
  struct watch *watch = uv_handle_get_data(handle);
  napi_handle_scope scope;
  napi_open_handle_scope(watch->env, &scope);
  napi_async_destroy(watch->env, watch->context);
  napi_delete_reference(watch->env, watch->callback);
  napi_close_handle_scope(watch->env, scope);
  if (watch->hook) napi_remove_async_cleanup_hook(watch->hook);
  free(watch->handle);
  watch->handle = NULL;
  free(watch);
}

/* The callback may call this for itself, so what its call still needs is freed in on_closed. */
static void stop(struct watch *watch) {
  if (watch->closing) return;
  watch->closing = true;
  uv_close(watch->handle, on_closed);
}

static void on_env_end(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  stop(data);
}

static void on_events(uv_poll_t *handle, int status, int events) {
  struct watch *watch = uv_handle_get_data(handle);
  if (watch->closing) return;
  napi_env env = watch->env;
  napi_handle_scope scope;
  napi_value callback, receiver, argument;
  napi_open_handle_scope(env, &scope);
  napi_get_reference_value(env, watch->callback, &callback);
  napi_get_global(env, &receiver);
  napi_create_int32(env, status < 0 ? status : events, &argument);
  if (napi_make_callback(env, watch->context, receiver, callback, 1, &argument, NULL) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

/* pollStart(fd, events 1 readable | 2 writable, callback(events | -errno)): a token for pollStop, or -errno */
static napi_value js_start(napi_env env, napi_callback_info info) {
  ARGS(3);
  uv_loop_t *loop;
  napi_value name, token;
  napi_valuetype type;
  if (napi_typeof(env, a[2], &type) != napi_ok || type != napi_function) return ret_int(env, -EINVAL);
  if (napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok) return ret_int(env, -ENOSYS);
  struct watch *watch = calloc(1, sizeof *watch);
  if (!watch) return ret_int(env, -ENOMEM);
  watch->handle = calloc(1, uv_handle_size(UV_POLL));
  int rc = watch->handle ? uv_poll_init(loop, watch->handle, arg_int(env, a[0])) : -ENOMEM;
  if (rc < 0) {
    free(watch->handle);
    free(watch);
    return ret_int(env, rc);
  }
  watch->env = env;
  uv_handle_set_data(watch->handle, watch);
  napi_create_string_latin1(env, "ambit:poll", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &watch->context);
  napi_create_reference(env, a[2], 1, &watch->callback);
  napi_add_async_cleanup_hook(env, on_env_end, watch, &watch->hook);
  rc = uv_poll_start(watch->handle, arg_int(env, a[1]), on_events);
  if (rc < 0) {
    stop(watch);
    return ret_int(env, rc);
  }
  napi_create_external(env, watch, NULL, NULL, &token);
  return token;
}

/* pollStop(token): at most once per token. The descriptor may be closed afterwards. */
static napi_value js_stop(napi_env env, napi_callback_info info) {
  ARGS(1);
  void *watch;
  if (napi_get_value_external(env, a[0], &watch) == napi_ok) stop(watch);
  return NULL;
}

const struct addon_function poll_functions[] = {{"pollStart", js_start}, {"pollStop", js_stop}, {NULL, NULL}};
