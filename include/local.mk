# Below $(includedir)/qbipc, so that <qb/...> is ours only for those who ask pkg-config.
qbincludedir = $(includedir)/qbipc/qb
qbinclude_HEADERS = \
	include/qb/qbdefs.h \
	include/qb/qbipc_common.h \
	include/qb/qbipc_ext.h \
	include/qb/qbipcc.h \
	include/qb/qbipcs.h \
	include/qb/qbloop.h

# Beyond libqb's interface: a header per family. <qb/qbipc_ext.h> includes them.
qbipcincludedir = $(includedir)/qbipc/qbipc
qbipcinclude_HEADERS = \
	include/qbipc/bodies.h \
	include/qbipc/call.h \
	include/qbipc/connect.h \
	include/qbipc/deadline.h \
	include/qbipc/describe.h \
	include/qbipc/events.h \
	include/qbipc/handlers.h \
	include/qbipc/listen.h \
	include/qbipc/peer.h \
	include/qbipc/memory.h \
	include/qbipc/monitor.h \
	include/qbipc/reserve.h \
	include/qbipc/views.h \
	include/qbipc/snapshot.h \
	include/qbipc/limits.h \
	include/qbipc/loop.h \
	include/qbipc/poll.h

# Poll adapters: each for the loop of another library, over qbipc/poll.h.
qbipcinclude_HEADERS += \
	include/qbipc/poll-glib.h \
	include/qbipc/poll-libev.h \
	include/qbipc/poll-libevent.h \
	include/qbipc/poll-libuv.h \
	include/qbipc/poll-qb.h \
	include/qbipc/poll-sd-event.h
