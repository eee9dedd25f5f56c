# Each suite is one source, built twice: against this library for make check, and on
# demand against libqb (make conformance-libqb) to look where the two differ.
conformance_ldadd = tests/lib/libtestlib.la lib/libqbipc.la $(CHECK_LIBS) -lpthread
conformance_libqb_ldadd = tests/lib/libtestlib.la $(CHECK_LIBS) $(LIBQB_LIBS) -lpthread
conformance_libqb_programs = \
	tests/conformance/libqb-backpressure \
	tests/conformance/libqb-client-connect \
	tests/conformance/libqb-client-recv \
	tests/conformance/libqb-client-send \
	tests/conformance/libqb-client-state \
	tests/conformance/libqb-never-sent \
	tests/conformance/libqb-no-loop \
	tests/conformance/libqb-poll-contract \
	tests/conformance/libqb-server-callbacks \
	tests/conformance/libqb-server-dispatch \
	tests/conformance/libqb-server-flow \
	tests/conformance/libqb-server-lifetime \
	tests/conformance/libqb-server-request \
	tests/conformance/libqb-server-run \
	tests/conformance/libqb-server-send \
	tests/conformance/libqb-server-stats \
	tests/conformance/libqb-threads \
	tests/conformance/libqb-users-cluster \
	tests/conformance/libqb-users-daemons
EXTRA_PROGRAMS += $(conformance_libqb_programs)
CLEANFILES += $(conformance_libqb_programs)

if HAVE_CHECK
check_PROGRAMS += \
	tests/conformance/backpressure \
	tests/conformance/client-connect \
	tests/conformance/client-recv \
	tests/conformance/client-send \
	tests/conformance/client-state \
	tests/conformance/never-sent \
	tests/conformance/no-loop \
	tests/conformance/poll-contract \
	tests/conformance/server-callbacks \
	tests/conformance/server-dispatch \
	tests/conformance/server-flow \
	tests/conformance/server-lifetime \
	tests/conformance/server-request \
	tests/conformance/server-run \
	tests/conformance/server-send \
	tests/conformance/server-stats \
	tests/conformance/threads \
	tests/conformance/users-cluster \
	tests/conformance/users-daemons
endif

tests_conformance_backpressure_SOURCES = tests/conformance/backpressure.c
tests_conformance_backpressure_LDADD = $(conformance_ldadd)
tests_conformance_libqb_backpressure_SOURCES = tests/conformance/backpressure.c
tests_conformance_libqb_backpressure_LDADD = $(conformance_libqb_ldadd)
tests_conformance_client_connect_SOURCES = tests/conformance/client-connect.c
tests_conformance_client_connect_LDADD = $(conformance_ldadd)
tests_conformance_libqb_client_connect_SOURCES = tests/conformance/client-connect.c
tests_conformance_libqb_client_connect_LDADD = $(conformance_libqb_ldadd)
tests_conformance_client_recv_SOURCES = tests/conformance/client-recv.c
tests_conformance_client_recv_LDADD = $(conformance_ldadd)
tests_conformance_libqb_client_recv_SOURCES = tests/conformance/client-recv.c
tests_conformance_libqb_client_recv_LDADD = $(conformance_libqb_ldadd)
tests_conformance_client_send_SOURCES = tests/conformance/client-send.c
tests_conformance_client_send_LDADD = $(conformance_ldadd)
tests_conformance_libqb_client_send_SOURCES = tests/conformance/client-send.c
tests_conformance_libqb_client_send_LDADD = $(conformance_libqb_ldadd)
tests_conformance_client_state_SOURCES = tests/conformance/client-state.c
tests_conformance_client_state_LDADD = $(conformance_ldadd)
tests_conformance_libqb_client_state_SOURCES = tests/conformance/client-state.c
tests_conformance_libqb_client_state_LDADD = $(conformance_libqb_ldadd)
tests_conformance_never_sent_SOURCES = tests/conformance/never-sent.c
tests_conformance_never_sent_LDADD = $(conformance_ldadd)
tests_conformance_libqb_never_sent_SOURCES = tests/conformance/never-sent.c
tests_conformance_libqb_never_sent_LDADD = $(conformance_libqb_ldadd)
tests_conformance_no_loop_SOURCES = tests/conformance/no-loop.c
tests_conformance_no_loop_LDADD = $(conformance_ldadd)
tests_conformance_libqb_no_loop_SOURCES = tests/conformance/no-loop.c
tests_conformance_libqb_no_loop_LDADD = $(conformance_libqb_ldadd)
tests_conformance_poll_contract_SOURCES = tests/conformance/poll-contract.c
tests_conformance_poll_contract_LDADD = $(conformance_ldadd)
tests_conformance_libqb_poll_contract_SOURCES = tests/conformance/poll-contract.c
tests_conformance_libqb_poll_contract_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_callbacks_SOURCES = tests/conformance/server-callbacks.c
tests_conformance_server_callbacks_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_callbacks_SOURCES = tests/conformance/server-callbacks.c
tests_conformance_libqb_server_callbacks_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_dispatch_SOURCES = tests/conformance/server-dispatch.c
tests_conformance_server_dispatch_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_dispatch_SOURCES = tests/conformance/server-dispatch.c
tests_conformance_libqb_server_dispatch_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_flow_SOURCES = tests/conformance/server-flow.c
tests_conformance_server_flow_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_flow_SOURCES = tests/conformance/server-flow.c
tests_conformance_libqb_server_flow_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_lifetime_SOURCES = tests/conformance/server-lifetime.c
tests_conformance_server_lifetime_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_lifetime_SOURCES = tests/conformance/server-lifetime.c
tests_conformance_libqb_server_lifetime_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_request_SOURCES = tests/conformance/server-request.c
tests_conformance_server_request_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_request_SOURCES = tests/conformance/server-request.c
tests_conformance_libqb_server_request_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_run_SOURCES = tests/conformance/server-run.c
tests_conformance_server_run_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_run_SOURCES = tests/conformance/server-run.c
tests_conformance_libqb_server_run_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_send_SOURCES = tests/conformance/server-send.c
tests_conformance_server_send_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_send_SOURCES = tests/conformance/server-send.c
tests_conformance_libqb_server_send_LDADD = $(conformance_libqb_ldadd)
tests_conformance_server_stats_SOURCES = tests/conformance/server-stats.c
tests_conformance_server_stats_LDADD = $(conformance_ldadd)
tests_conformance_libqb_server_stats_SOURCES = tests/conformance/server-stats.c
tests_conformance_libqb_server_stats_LDADD = $(conformance_libqb_ldadd)
tests_conformance_threads_SOURCES = tests/conformance/threads.c
tests_conformance_threads_LDADD = $(conformance_ldadd)
tests_conformance_libqb_threads_SOURCES = tests/conformance/threads.c
tests_conformance_libqb_threads_LDADD = $(conformance_libqb_ldadd)
tests_conformance_users_cluster_SOURCES = tests/conformance/users-cluster.c
tests_conformance_users_cluster_LDADD = $(conformance_ldadd)
tests_conformance_libqb_users_cluster_SOURCES = tests/conformance/users-cluster.c
tests_conformance_libqb_users_cluster_LDADD = $(conformance_libqb_ldadd)
tests_conformance_users_daemons_SOURCES = tests/conformance/users-daemons.c
tests_conformance_users_daemons_LDADD = $(conformance_ldadd)
tests_conformance_libqb_users_daemons_SOURCES = tests/conformance/users-daemons.c
tests_conformance_libqb_users_daemons_LDADD = $(conformance_libqb_ldadd)

# Differences are what this is for: it shows them and does not fail.
conformance-libqb: $(conformance_libqb_programs)
	@for p in $(conformance_libqb_programs); do \
		QBIPC_TEST_LENIENT=1 ./$$p || :; \
	done
.PHONY: conformance-libqb

# The native transport: what is promised only between two ends of this library.
native_suites = \
	tests/conformance/native-cost \
	tests/conformance/native-death \
	tests/conformance/native-users \
	tests/conformance/native-wakeups
if HAVE_CHECK
check_PROGRAMS += $(native_suites)
endif
tests_conformance_native_cost_SOURCES = tests/conformance/native-cost.c
tests_conformance_native_cost_LDADD = $(conformance_ldadd)
tests_conformance_native_death_SOURCES = tests/conformance/native-death.c
tests_conformance_native_death_LDADD = $(conformance_ldadd)
tests_conformance_native_users_SOURCES = tests/conformance/native-users.c
tests_conformance_native_users_LDADD = $(conformance_ldadd)
tests_conformance_native_wakeups_SOURCES = tests/conformance/native-wakeups.c
tests_conformance_native_wakeups_LDADD = $(conformance_ldadd)

# What a service puts up with.
limits_suites = \
	tests/conformance/accept-refused \
	tests/conformance/cancelled \
	tests/conformance/file-size \
	tests/conformance/limits-connections \
	tests/conformance/limits-descriptors \
	tests/conformance/limits-handshakes
limits_common = tests/conformance/limits.c tests/conformance/limits.h
if HAVE_CHECK
check_PROGRAMS += $(limits_suites)
endif
tests_conformance_cancelled_SOURCES = tests/conformance/cancelled.c
tests_conformance_cancelled_LDADD = $(conformance_ldadd)
tests_conformance_accept_refused_SOURCES = \
	tests/conformance/accept-refused.c $(limits_common)
tests_conformance_accept_refused_LDADD = $(conformance_ldadd)
tests_conformance_file_size_SOURCES = tests/conformance/file-size.c $(limits_common)
tests_conformance_file_size_LDADD = $(conformance_ldadd)
tests_conformance_limits_connections_SOURCES = \
	tests/conformance/limits-connections.c $(limits_common)
tests_conformance_limits_connections_LDADD = $(conformance_ldadd)
tests_conformance_limits_descriptors_SOURCES = \
	tests/conformance/limits-descriptors.c $(limits_common)
tests_conformance_limits_descriptors_LDADD = $(conformance_ldadd)
tests_conformance_limits_handshakes_SOURCES = \
	tests/conformance/limits-handshakes.c $(limits_common)
tests_conformance_limits_handshakes_LDADD = $(conformance_ldadd)

# Beyond libqb's interface.
events_suites = \
	tests/conformance/broadcast \
	tests/conformance/memory-lock \
	tests/conformance/writable
if HAVE_CHECK
check_PROGRAMS += $(events_suites)
endif
tests_conformance_broadcast_SOURCES = tests/conformance/broadcast.c
tests_conformance_broadcast_LDADD = $(conformance_ldadd)
tests_conformance_memory_lock_SOURCES = tests/conformance/memory-lock.c
tests_conformance_memory_lock_LDADD = $(conformance_ldadd)
tests_conformance_writable_SOURCES = tests/conformance/writable.c
tests_conformance_writable_LDADD = $(conformance_ldadd)

# Beyond libqb's interface: <qbipc/...>.
addition_suites = \
	tests/conformance/activation \
	tests/conformance/connect-timeout \
	tests/conformance/handlers \
	tests/conformance/handlers-refused \
	tests/conformance/peer \
	tests/conformance/sized \
	tests/conformance/stopped-server
if HAVE_CHECK
check_PROGRAMS += $(addition_suites)
endif
tests_conformance_handlers_SOURCES = tests/conformance/handlers.c \
	tests/conformance/handlers.h
tests_conformance_handlers_LDADD = $(conformance_ldadd)
tests_conformance_handlers_refused_SOURCES = tests/conformance/handlers-refused.c \
	tests/conformance/handlers.h
tests_conformance_handlers_refused_LDADD = $(conformance_ldadd)
tests_conformance_peer_SOURCES = tests/conformance/peer.c
tests_conformance_peer_LDADD = $(conformance_ldadd)
tests_conformance_sized_SOURCES = tests/conformance/sized.c tests/conformance/handlers.h
tests_conformance_sized_LDADD = $(conformance_ldadd)
tests_conformance_activation_SOURCES = tests/conformance/activation.c
tests_conformance_activation_LDADD = $(conformance_ldadd)
tests_conformance_connect_timeout_SOURCES = tests/conformance/connect-timeout.c
tests_conformance_connect_timeout_LDADD = $(conformance_ldadd)
tests_conformance_stopped_server_SOURCES = tests/conformance/stopped-server.c
tests_conformance_stopped_server_LDADD = $(conformance_ldadd)
