/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what a compiled program has taken over from the public headers: sizes,
 * offsets, values. test-abi compiles it against ours and against libqb's and compares.
 * Types, which cannot be printed, are asserted: both compile, so both are the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <qb/qbdefs.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#define TYPE(type) printf("%s: size %zu, alignment %zu\n", #type, sizeof(type), _Alignof(type))
#define FIELD(type, field)                                                                     \
	printf("%s.%s: offset %zu, size %zu\n", #type, #field, offsetof(type, field),          \
	       sizeof(((type *)NULL)->field))
#define VALUE(expression)                                                                      \
	printf("%s = %lld, size %zu\n", #expression, (long long)(expression),                  \
	       sizeof(expression))
#define STRING(expression) printf("%s = \"%s\"\n", #expression, expression)

#define SAME_TYPE(a, b) _Static_assert(__builtin_types_compatible_p(a, b), #a " is " #b)
#define FUNCTION(name, ...) SAME_TYPE(__typeof__(name), __typeof__(__VA_ARGS__))

typedef qb_ipcc_connection_t cc;
typedef qb_ipcs_connection_t sc;
typedef qb_ipcs_service_t ss;
typedef enum qb_loop_priority prio;
typedef qb_loop_timer_handle timer;
typedef qb_loop_signal_handle sighandle;

/* -- Types --------------------------------------------------------------------- */

SAME_TYPE(cc, struct qb_ipcc_connection);
SAME_TYPE(sc, struct qb_ipcs_connection);
SAME_TYPE(ss, struct qb_ipcs_service);
SAME_TYPE(qb_loop_t, struct qb_loop);
SAME_TYPE(timer, uint64_t);
SAME_TYPE(sighandle, void *);

SAME_TYPE(qb_loop_poll_dispatch_fn, int32_t (*)(int32_t, int32_t, void *));
SAME_TYPE(qb_loop_job_dispatch_fn, void (*)(void *));
SAME_TYPE(qb_loop_timer_dispatch_fn, void (*)(void *));
SAME_TYPE(qb_loop_signal_dispatch_fn, int32_t (*)(int32_t, void *));
SAME_TYPE(qb_loop_poll_low_fds_event_fn, void (*)(int32_t, int32_t));

SAME_TYPE(qb_ipcs_dispatch_fn_t, int32_t (*)(int32_t, int32_t, void *));
SAME_TYPE(qb_ipcs_dispatch_add_fn,
	  int32_t (*)(prio, int32_t, int32_t, void *, qb_ipcs_dispatch_fn_t));
SAME_TYPE(qb_ipcs_dispatch_mod_fn,
	  int32_t (*)(prio, int32_t, int32_t, void *, qb_ipcs_dispatch_fn_t));
SAME_TYPE(qb_ipcs_dispatch_del_fn, int32_t (*)(int32_t));
SAME_TYPE(qb_ipcs_job_add_fn, int32_t (*)(prio, void *, qb_loop_job_dispatch_fn));

SAME_TYPE(qb_ipcs_connection_accept_fn, int32_t (*)(sc *, uid_t, gid_t));
SAME_TYPE(qb_ipcs_connection_created_fn, void (*)(sc *));
SAME_TYPE(qb_ipcs_connection_closed_fn, int32_t (*)(sc *));
SAME_TYPE(qb_ipcs_connection_destroyed_fn, void (*)(sc *));
SAME_TYPE(qb_ipcs_msg_process_fn, int32_t (*)(sc *, void *, size_t));

/* -- Functions: client --------------------------------------------------------- */

FUNCTION(qb_ipcc_connect, cc *(const char *, size_t));
FUNCTION(qb_ipcc_connect_async, cc *(const char *, size_t, int *));
FUNCTION(qb_ipcc_connect_continue, int(cc *));
FUNCTION(qb_ipcc_verify_dgram_max_msg_size, int32_t(size_t));
FUNCTION(qb_ipcc_disconnect, void(cc *));
FUNCTION(qb_ipcc_fd_get, int32_t(cc *, int32_t *));
FUNCTION(qb_ipcc_auth_get, int32_t(cc *, pid_t *, uid_t *, gid_t *));
FUNCTION(qb_ipcc_fc_enable_max_set, int32_t(cc *, uint32_t));
FUNCTION(qb_ipcc_send, ssize_t(cc *, const void *, size_t));
FUNCTION(qb_ipcc_sendv, ssize_t(cc *, const struct iovec *, size_t));
FUNCTION(qb_ipcc_recv, ssize_t(cc *, void *, size_t, int32_t));
FUNCTION(qb_ipcc_sendv_recv,
	 ssize_t(cc *, const struct iovec *, uint32_t, void *, size_t, int32_t));
FUNCTION(qb_ipcc_event_recv, ssize_t(cc *, void *, size_t, int32_t));
FUNCTION(qb_ipcc_context_set, void(cc *, void *));
FUNCTION(qb_ipcc_context_get, void *(cc *));
FUNCTION(qb_ipcc_is_connected, int32_t(cc *));
FUNCTION(qb_ipcc_get_buffer_size, int32_t(cc *));

/* -- Functions: server --------------------------------------------------------- */

FUNCTION(qb_ipcs_create,
	 ss *(const char *, int32_t, enum qb_ipc_type, struct qb_ipcs_service_handlers *));
FUNCTION(qb_ipcs_ref, void(ss *));
FUNCTION(qb_ipcs_unref, void(ss *));
FUNCTION(qb_ipcs_poll_handlers_set, void(ss *, struct qb_ipcs_poll_handlers *));
FUNCTION(qb_ipcs_service_context_set, void(ss *, void *));
FUNCTION(qb_ipcs_service_context_get, void *(ss *));
FUNCTION(qb_ipcs_run, int32_t(ss *));
FUNCTION(qb_ipcs_destroy, void(ss *));
FUNCTION(qb_ipcs_request_rate_limit, void(ss *, enum qb_ipcs_rate_limit));
FUNCTION(qb_ipcs_response_send, ssize_t(sc *, const void *, size_t));
FUNCTION(qb_ipcs_response_sendv, ssize_t(sc *, const struct iovec *, size_t));
FUNCTION(qb_ipcs_event_send, ssize_t(sc *, const void *, size_t));
FUNCTION(qb_ipcs_event_sendv, ssize_t(sc *, const struct iovec *, size_t));
FUNCTION(qb_ipcs_connection_ref, void(sc *));
FUNCTION(qb_ipcs_connection_unref, void(sc *));
FUNCTION(qb_ipcs_disconnect, void(sc *));
FUNCTION(qb_ipcs_service_id_get, int32_t(sc *));
FUNCTION(qb_ipcs_context_set, void(sc *, void *));
FUNCTION(qb_ipcs_context_get, void *(sc *));
FUNCTION(qb_ipcs_connection_service_context_get, void *(sc *));
FUNCTION(qb_ipcs_connection_stats_get,
	 int32_t(sc *, struct qb_ipcs_connection_stats *, int32_t));
FUNCTION(qb_ipcs_connection_stats_get_2, struct qb_ipcs_connection_stats_2 *(sc *, int32_t));
FUNCTION(qb_ipcs_stats_get, int32_t(ss *, struct qb_ipcs_stats *, int32_t));
FUNCTION(qb_ipcs_connection_first_get, sc *(ss *));
FUNCTION(qb_ipcs_connection_next_get, sc *(ss *, sc *));
FUNCTION(qb_ipcs_connection_auth_set, void(sc *, uid_t, gid_t, mode_t));
FUNCTION(qb_ipcs_connection_get_buffer_size, int32_t(sc *));
FUNCTION(qb_ipcs_enforce_buffer_size, void(ss *, uint32_t));

/* -- Functions: loop ----------------------------------------------------------- */

FUNCTION(qb_loop_create, qb_loop_t *(void));
FUNCTION(qb_loop_destroy, void(qb_loop_t *));
FUNCTION(qb_loop_stop, void(qb_loop_t *));
FUNCTION(qb_loop_run, void(qb_loop_t *));
FUNCTION(qb_loop_job_add, int32_t(qb_loop_t *, prio, void *, qb_loop_job_dispatch_fn));
FUNCTION(qb_loop_job_del, int32_t(qb_loop_t *, prio, void *, qb_loop_job_dispatch_fn));
FUNCTION(qb_loop_timer_add,
	 int32_t(qb_loop_t *, prio, uint64_t, void *, qb_loop_timer_dispatch_fn, timer *));
FUNCTION(qb_loop_timer_del, int32_t(qb_loop_t *, timer));
FUNCTION(qb_loop_timer_is_running, int32_t(qb_loop_t *, timer));
FUNCTION(qb_loop_timer_expire_time_get, uint64_t(qb_loop_t *, timer));
FUNCTION(qb_loop_timer_expire_time_remaining, uint64_t(qb_loop_t *, timer));
FUNCTION(qb_loop_poll_low_fds_event_set, int32_t(qb_loop_t *, qb_loop_poll_low_fds_event_fn));
FUNCTION(qb_loop_poll_add,
	 int32_t(qb_loop_t *, prio, int32_t, int32_t, void *, qb_loop_poll_dispatch_fn));
FUNCTION(qb_loop_poll_mod,
	 int32_t(qb_loop_t *, prio, int32_t, int32_t, void *, qb_loop_poll_dispatch_fn));
FUNCTION(qb_loop_poll_del, int32_t(qb_loop_t *, int32_t));
FUNCTION(qb_loop_signal_add,
	 int32_t(qb_loop_t *, prio, int32_t, void *, qb_loop_signal_dispatch_fn, sighandle *));
FUNCTION(qb_loop_signal_mod,
	 int32_t(qb_loop_t *, prio, int32_t, void *, qb_loop_signal_dispatch_fn, sighandle));
FUNCTION(qb_loop_signal_del, int32_t(qb_loop_t *, sighandle));

/* -- Layouts and values -------------------------------------------------------- */

static void print_headers(void)
{
	TYPE(struct qb_ipc_request_header);
	FIELD(struct qb_ipc_request_header, id);
	FIELD(struct qb_ipc_request_header, size);
	TYPE(struct qb_ipc_response_header);
	FIELD(struct qb_ipc_response_header, id);
	FIELD(struct qb_ipc_response_header, size);
	FIELD(struct qb_ipc_response_header, error);
}

static void print_stats(void)
{
	TYPE(struct qb_ipcs_stats);
	FIELD(struct qb_ipcs_stats, active_connections);
	FIELD(struct qb_ipcs_stats, closed_connections);
	TYPE(struct qb_ipcs_connection_stats);
	FIELD(struct qb_ipcs_connection_stats, client_pid);
	FIELD(struct qb_ipcs_connection_stats, requests);
	FIELD(struct qb_ipcs_connection_stats, responses);
	FIELD(struct qb_ipcs_connection_stats, events);
	FIELD(struct qb_ipcs_connection_stats, send_retries);
	FIELD(struct qb_ipcs_connection_stats, recv_retries);
	FIELD(struct qb_ipcs_connection_stats, flow_control_state);
	FIELD(struct qb_ipcs_connection_stats, flow_control_count);
	TYPE(struct qb_ipcs_connection_stats_2);
	FIELD(struct qb_ipcs_connection_stats_2, client_pid);
	FIELD(struct qb_ipcs_connection_stats_2, requests);
	FIELD(struct qb_ipcs_connection_stats_2, responses);
	FIELD(struct qb_ipcs_connection_stats_2, events);
	FIELD(struct qb_ipcs_connection_stats_2, send_retries);
	FIELD(struct qb_ipcs_connection_stats_2, recv_retries);
	FIELD(struct qb_ipcs_connection_stats_2, flow_control_state);
	FIELD(struct qb_ipcs_connection_stats_2, flow_control_count);
	FIELD(struct qb_ipcs_connection_stats_2, event_q_length);
}

static void print_handlers(void)
{
	TYPE(struct qb_ipcs_poll_handlers);
	FIELD(struct qb_ipcs_poll_handlers, job_add);
	FIELD(struct qb_ipcs_poll_handlers, dispatch_add);
	FIELD(struct qb_ipcs_poll_handlers, dispatch_mod);
	FIELD(struct qb_ipcs_poll_handlers, dispatch_del);
	TYPE(struct qb_ipcs_service_handlers);
	FIELD(struct qb_ipcs_service_handlers, connection_accept);
	FIELD(struct qb_ipcs_service_handlers, connection_created);
	FIELD(struct qb_ipcs_service_handlers, msg_process);
	FIELD(struct qb_ipcs_service_handlers, connection_closed);
	FIELD(struct qb_ipcs_service_handlers, connection_destroyed);
}

static void print_enums(void)
{
	TYPE(enum qb_ipc_type);
	VALUE(QB_IPC_SOCKET);
	VALUE(QB_IPC_SHM);
	VALUE(QB_IPC_POSIX_MQ);
	VALUE(QB_IPC_SYSV_MQ);
	VALUE(QB_IPC_NATIVE);
	TYPE(enum qb_ipcs_rate_limit);
	VALUE(QB_IPCS_RATE_FAST);
	VALUE(QB_IPCS_RATE_NORMAL);
	VALUE(QB_IPCS_RATE_SLOW);
	VALUE(QB_IPCS_RATE_OFF);
	VALUE(QB_IPCS_RATE_OFF_2);
	TYPE(enum qb_loop_priority);
	VALUE(QB_LOOP_LOW);
	VALUE(QB_LOOP_MED);
	VALUE(QB_LOOP_HIGH);
}

static void print_macros(void)
{
	unsigned int bits = 0x10;

	VALUE(QB_IPC_MSG_NEW_MESSAGE);
	VALUE(QB_IPC_MSG_USER_START);
	VALUE(QB_IPC_MSG_AUTHENTICATE);
	VALUE(QB_IPC_MSG_NEW_EVENT_SOCK);
	VALUE(QB_IPC_MSG_DISCONNECT);
	VALUE(QB_TRUE);
	VALUE(QB_FALSE);
	VALUE(HZ);
	VALUE(QB_TIME_MS_IN_SEC);
	VALUE(QB_TIME_US_IN_SEC);
	VALUE(QB_TIME_NS_IN_SEC);
	VALUE(QB_TIME_US_IN_MSEC);
	VALUE(QB_TIME_NS_IN_MSEC);
	VALUE(QB_TIME_NS_IN_USEC);
	VALUE(QB_ROUNDUP(0, 8));
	VALUE(QB_ROUNDUP(1, 8));
	VALUE(QB_ROUNDUP(8, 8));
	VALUE(QB_ROUNDUP(12328UL + 13, 4096));
	VALUE(QB_ABS(-7));
	VALUE(QB_ABS(3 - 10));
	VALUE(QB_ABS(7L));
	VALUE(QB_MAX(1 + 1, 3));
	VALUE(QB_MIN(-1, 1L));
	VALUE(qb_bit_value(31));
	VALUE(qb_bit_set(bits, 1));
	VALUE(qb_bit_clear(bits, 4));
	VALUE(qb_bit_is_set(bits, 1));
	VALUE(qb_bit_is_set(bits, 4));
	VALUE(qb_bit_is_clear(bits, 1));
	VALUE(qb_bit_is_clear(bits, 4));
	VALUE(QB_PP_JOIN(1, QB_FALSE));
	VALUE(QB_PP_JOIN_(1, 0));
	STRING(QB_PP_STRINGIFY(QB_PP_JOIN_(a, b)));
	STRING(QB_PP_STRINGIFY_(QB_PP_JOIN_(a, b)));
}

int main(void)
{
	print_headers();
	print_stats();
	print_handlers();
	print_enums();
	print_macros();
	return 0;
}
