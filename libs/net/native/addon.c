/* Module entry: one state per environment, every function bound to it, cleanup when the thread's environment ends. */
#include "addon.h"
#include <sys/random.h>
#include <unistd.h>

static void cleanup(void *data) {
  struct addon_state *state = data;
  tls_sessions_cleanup(state);
  tls_revocation_cleanup();
  if (state->own_netns >= 0) close(state->own_netns);
  free(state);
}

static bool bind_functions(napi_env env, napi_value exports, const struct addon_function *list, struct addon_state *state) {
  for (; list->name; list++) {
    napi_value function;
    if (napi_create_function(env, list->name, NAPI_AUTO_LENGTH, list->call, state, &function) != napi_ok) return false;
    if (napi_set_named_property(env, exports, list->name, function) != napi_ok) return false;
  }
  return true;
}

NAPI_MODULE_INIT() {
  const struct addon_function *all[] = {socket_functions, memory_functions, io_functions, event_functions, packet_functions,
                                        poll_functions, tls_context_functions, tls_session_functions,
                                        tls_peer_functions, tls_revocation_functions};
  struct addon_state *state = calloc(1, sizeof *state);
  if (!state) return NULL;
  state->own_netns = -1;
  state->first_free = -1;
  /* A start nobody knows; without one, the first window does. */
  if (getrandom(&state->port_window, sizeof state->port_window, GRND_NONBLOCK) < 0) state->port_window = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!bind_functions(env, exports, all[i], state)) {
      free(state);
      return NULL;
    }
  napi_add_env_cleanup_hook(env, cleanup, state);
  return exports;
}
