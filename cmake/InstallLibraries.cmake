# Copies the shared libraries of LORRY_PROGRAM to lib/lorry, but for those of the C library and the linker.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${LORRY_PROGRAM} RESOLVED_DEPENDENCIES_VAR libraries
     UNRESOLVED_DEPENDENCIES_VAR missing
     PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv)\\.so")
if(missing)
  message(FATAL_ERROR "lorry needs ${missing}, which is not on this machine")
endif()
file(INSTALL ${libraries} DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/lorry" FOLLOW_SYMLINK_CHAIN)
