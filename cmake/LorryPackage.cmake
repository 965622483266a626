# cpack: a .deb with the program, whose dependencies apt resolves, and a tarball of the program with the shared libraries
# that Debian 12 does not install by itself. scripts/package makes and checks both.
set(CPACK_PACKAGE_NAME lorry)
set(CPACK_PACKAGE_VENDOR "The Lorry developers")
set(CPACK_PACKAGE_CONTACT "The Lorry developers <lorry@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Fine-tunes large language models by low-rank adaptation")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/LorryPackageContents.cmake)

# What the program links, but for the C library's own parts: those belong to the system.
install(CODE "set(LORRY_PROGRAM \"$<TARGET_FILE:lorry>\")" COMPONENT libraries EXCLUDE_FROM_ALL)
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/InstallLibraries.cmake COMPONENT libraries EXCLUDE_FROM_ALL)
include(CPack)
