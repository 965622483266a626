# cmake --install: the program, and the library for find_package(lorry): headers, one static library per folder of src/
# below cli/, and lorry::lorry, which links them all.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(LORRY_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/lorry)
set(lorry_folders core tensor io text ops nn optim data report score model analysis train generate sweep)
list(TRANSFORM lorry_folders PREPEND lorry_ OUTPUT_VARIABLE lorry_libraries)

add_library(lorry_library INTERFACE)
target_link_libraries(lorry_library INTERFACE ${lorry_libraries})
set_target_properties(lorry_library PROPERTIES EXPORT_NAME lorry)
foreach(folder ${lorry_folders})
  set_target_properties(lorry_${folder} PROPERTIES EXPORT_NAME ${folder})
endforeach()

# The tarball carries the shared libraries that Debian would install; the program looks there, then where the system does.
set_target_properties(lorry PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/lorry")
# As RPATH, not RUNPATH: what those libraries need themselves is looked for there too.
target_link_options(lorry PRIVATE -Wl,--disable-new-dtags)
install(TARGETS lorry RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT program)

# The manual page and the completions are what the program itself prints.
set(LORRY_PRINTED ${PROJECT_BINARY_DIR}/printed)
file(MAKE_DIRECTORY ${LORRY_PRINTED})
foreach(printed "lorry.1 man" "lorry completion bash" "_lorry completion zsh")
  separate_arguments(printed)
  list(POP_FRONT printed name)
  list(JOIN printed " " arguments)
  install(CODE "execute_process(COMMAND $<TARGET_FILE:lorry> ${arguments} OUTPUT_FILE ${LORRY_PRINTED}/${name}
                                COMMAND_ERROR_IS_FATAL ANY)" COMPONENT program)
endforeach()
install(FILES ${LORRY_PRINTED}/lorry.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
install(FILES ${LORRY_PRINTED}/lorry DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${LORRY_PRINTED}/_lorry DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT program)

install(TARGETS lorry_flags lorry_library ${lorry_libraries} EXPORT lorry-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/lorry COMPONENT development)
foreach(folder ${lorry_folders})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lorry
          COMPONENT development FILES_MATCHING PATTERN "*.hpp" PATTERN "cpu" EXCLUDE PATTERN "reference" EXCLUDE)
endforeach()
install(EXPORT lorry-targets NAMESPACE lorry:: DESTINATION ${LORRY_CMAKE_DIR} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lorry-config.cmake.in ${PROJECT_BINARY_DIR}/lorry-config.cmake
                              INSTALL_DESTINATION ${LORRY_CMAKE_DIR})
# Before 1.0 a minor version may change what programs rely on.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lorry-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lorry-config.cmake ${PROJECT_BINARY_DIR}/lorry-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindDnnl.cmake
        DESTINATION ${LORRY_CMAKE_DIR} COMPONENT development)
