# Below $(includedir)/qbipc, so that <qb/...> is ours only for those who ask pkg-config.
qbincludedir = $(includedir)/qbipc/qb
qbinclude_HEADERS =
