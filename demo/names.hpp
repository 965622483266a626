// demo/names.hpp: names from an open pool, made of real-looking parts and of syllables: hundreds of thousands
// of people, towns, streets, shops, boats and pets, so that a model can only learn to copy them.
#pragma once
#include <map>
#include <string>

#include "core/rng.hpp"

namespace lorry::demo {

using Fields = std::map<std::string, std::string, std::less<>>;

/// A person: name, full, sur, title and the pronouns he, him, his, hers, self; boy, man, son, father, uncle
/// by sex.
Fields make_person(Rng& rng);

/// A capitalised made-up word of 2 or 3 syllables, such as "Brevik".
std::string make_word(Rng& rng);

std::string make_surname(Rng& rng);
std::string make_town(Rng& rng);
std::string make_street(Rng& rng);
std::string make_shop(Rng& rng);
std::string make_boat(Rng& rng);
std::string make_pet(Rng& rng);

/// True when `kind` is one of person, town, street, shop, boat, pet: the tables that names come from.
bool is_name_kind(const std::string& kind);

/// Fields of a fresh name of that kind; `name` is always among them.
Fields make_name(const std::string& kind, Rng& rng);

}  // namespace lorry::demo
