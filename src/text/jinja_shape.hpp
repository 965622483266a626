// text/jinja_shape.hpp: what a Jinja template says, without how it is spelled.
#pragma once
#include <string>
#include <string_view>

namespace lorry::text {

/// Equal for templates that differ only in white space inside tags and that which Jinja removes (`-`,
/// trim_blocks and lstrip_blocks, with which Hugging Face runs them), in quotes, comments, where literals are
/// cut by `+`, `x['y']` for `x.y`, `.strip()` for `| trim`, the texts of raise_exception, and a test that
/// add_generation_prompt is defined. Nothing is run. Never fails: malformed text has a shape of its own.
std::string jinja_shape(std::string_view text);

}  // namespace lorry::text
