#include "names.hpp"

#include <array>
#include <cctype>
#include <string_view>

#include "core/check.hpp"

namespace lorry::demo {

namespace {

using Words = std::string_view;  // words separated by one space

constexpr Words kGirls =
    "Ada Agnes Alba Alice Alma Amelia Anna Anouk Astrid Beatrice Bella Bess Betty Bridie Carla Cecily Clara "
    "Clodagh "
    "Cora Daisy Delia Dora Edith Effie Eileen Elena Eliza Ella Elsie Emma Enid Erin Esme Esther Eva Faye "
    "Fern Flora "
    "Freya Gemma Gerda Gloria Grace Greta Gwen Hannah Harriet Hattie Hazel Helen Hilda Holly Ida Imogen Ines "
    "Ingrid "
    "Iris Isla Ivy Jana Jane Jenny Joan Josie Judith Julia June Kate Kirsten Lara Laura Lena Leila Lily "
    "Linnea Lottie "
    "Lucy Lydia Mabel Maeve Maggie Maisie Marta Martha Mary Matilda Maud May Meg Mila Mina Mirren Molly "
    "Morag Morwenna "
    "Nadia Nancy Nell Nora Olive Olivia Orla Orlaith Pearl Peggy Penny Petra Pia Phoebe Polly Poppy Rhona "
    "Rita Rosa "
    "Rose Rowena Ruby Ruth Sadie Sally Sanna Sara Selma Senga Sigrid Sofia Stella Susan Sylvia Tamsin Tess "
    "Thea Tilda "
    "Una Ursula Vera Violet Wanda Wilma Willa Winnie Yara Zelda Zoe";
constexpr Words kBoys =
    "Aaron Abel Adam Aidan Alan Albert Alec Alfie Amos Andrew Angus Anton Archie Arne Arthur Barney Basil "
    "Ben Bernard "
    "Bertie Boris Brendan Bruno Callum Caspar Cedric Charlie Clem Clive Colin Conrad Corin Craig Cyril Dan "
    "Daniel David "
    "Declan Denis Derek Dougal Duncan Edgar Edmund Edwin Elias Emil Ernest Ewan Felix Fergus Finn Frank Fred "
    "Gareth "
    "George Gilbert Giles Glen Gordon Graham Gus Hamish Harold Harry Hector Henry Herbert Hugh Hugo Ian "
    "Idris Isaac Ivan "
    "Ivor Jack Jacob James Jasper Jem Joe Joel Jonas Josef Jude Karl Keith Kenneth Lars Laurence Lenny Leo "
    "Leonard Lewis "
    "Linus Lionel Louis Lucas Luke Magnus Malcolm Marcus Mark Martin Matthew Max Miles Milo Mungo Ned Neil "
    "Nils Noah "
    "Norman Olaf Oliver Oscar Otto Owen Patrick Paul Percy Perran Peter Philip Ralph Ray Rory Rufus Rupert "
    "Sam Samuel "
    "Seamus Sebastian Silas Simon Stefan Stephen Sven Ted Theo Thomas Tobias Toby Tom Tristan Victor Walter "
    "Wilf Will";
constexpr Words kOnsets =
    "b br c ch cl d dr f fl g gl gr h j k kl kn l m n p pr r s sh sk sl st str t th tr v w y z";
constexpr Words kVowels = "a e i o u a e i o a e i o ai ea ee";
constexpr Words kCodas = "b ck d dd ff g l ll lm m n nd nk nt r rd rk rn s ss st t th v x";
constexpr Words kGirlEnds = "a a ie elle ina ola enna issa ette ara y ea";
constexpr Words kBoyEnds = "o an in us ic ard on or ert en ick as";
constexpr Words kFirstParts =
    "Ash Alder Apple Barn Beck Birch Black Brack Bram Briar Bright Brook Burn Castle Clay Cold Cop Corn Crag "
    "Cross Dun "
    "Eagle East Elm Fair Fal Fern Fox Glen Gold Gran Green Had Hal Hart Hather Hazel Heath Hol Horn Kel "
    "Kings Lang Lark "
    "Lin Long Mar Maple Mel Merri Mill Moor Morn Nether North Oak Old Pem Pember Pen Pine Port Raven Red "
    "Ridge Rock Rose "
    "Rush Sand Sel Shel Silver South Spring Stan Stone Strat Sun Swan Thorn Tre Up Wal War Wat Web West "
    "Wether Whit Wil "
    "Win Wolf Wood Wren Yar";
constexpr Words kSurnameEnds =
    "bury by combe cott croft dale den ell er ett field ford gate ham hart ington land ley low man mere more "
    "ner ridge "
    "row sby shaw son stock stone ter thorpe ton vane ward well wick wood worth";
constexpr Words kTownEnds =
    "beck borough bourne bridge burgh bury by cliffe combe cote cove dale den don ey fell field ford gate "
    "ham haven "
    "hill holm hurst law ley mere minster mouth ness pool port sea side stead stoke thorpe ton water well "
    "wick wold "
    "worth";
constexpr Words kStreetKinds =
    "Lane Street Road Row Hill Square Court Yard Terrace Walk Gate Close Avenue Alley Steps Green";
constexpr Words kTownKinds =
    "Bay Bridge Cross Down Falls Green Head Heath Island Marsh Moor Point Quay Sands Vale";
constexpr Words kAdjectives =
    "Amber Ancient Bold Brave Brindle Bright Bronze Busy Clever Cosy Crooked Curious Distant Early Eastern "
    "Faithful "
    "Floating Gentle Gilded Glad Golden Happy Hidden Hollow Humble Jolly Kindly Little Lively Lonely Lucky "
    "Merry Mighty "
    "Misty Morning Northern Patient Plucky Proud Quick Quiet Rambling Restless Rolling Royal Rusty Salty "
    "Silent Singing "
    "Sleepy Southern Speckled Spotted Stormy Sturdy Sunny Swift Tall Tidy Velvet Wandering Western Wild "
    "Windy Winter";
constexpr Words kThings =
    "Acorn Anchor Apple Arrow Badger Barrel Beacon Bell Bramble Candle Clover Cobweb Comet Compass Cricket "
    "Crow Curlew "
    "Dolphin Dragon Drum Eagle Falcon Feather Fiddle Finch Fox Gannet Goose Gull Hare Harp Heron Hound "
    "Kettle Kite "
    "Ladder Lantern Lark Lily Linnet Magpie Mallard Marigold Marlin Minnow Moon Moth Needle Otter Owl Pebble "
    "Pelican "
    "Petrel Pilgrim Plover Puffin Rabbit Raven Robin Rocket Rook Rose Sailor Seal Shell Snail Sparrow Spoon "
    "Star Stork "
    "Swallow Swan Teapot Tern Thimble Thistle Thrush Tiger Tortoise Traveller Trumpet Walrus Whale Wheel "
    "Whistle Willow "
    "Wren";
constexpr Words kPets =
    "Bandit Barley Biscuit Blot Bobbin Bonnie Bracken Buster Button Buttons Caper Chester Chips Clover Comet "
    "Conker Cracker "
    "Crumpet Custard Dusty Fidget Fig Flint Fudge Ginger Honey Jet Jingle Juniper Marble Mango Midge Mittens "
    "Moss Muffin "
    "Nettle Nibbles Nipper Nutmeg Oats Olive Paddle Patch Pebble Pepper Pickle Pippin Plum Poppet Pudding "
    "Puddle Quince "
    "Radish Rags Rascal Ripple Rocky Rolo Rusty Scamp Scout Shadow Skipper Smoke Smudge Snowy Socks Sorrel "
    "Spark Spot "
    "Storm Sweep Teasel Thimble Thunder Tinker Toffee Treacle Tufty Tulip Turnip Twig Waffles Whiskers Wisp";

std::string_view pick(Words words, Rng& rng) {
  Index count = 1;
  for (const char c : words) count += c == ' ' ? 1 : 0;
  Index chosen = rng.next_below(count);
  std::size_t begin = 0;
  while (chosen-- > 0) begin = words.find(' ', begin) + 1;
  return words.substr(begin, words.find(' ', begin) - begin);
}

std::string capitalised(std::string word) {
  word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  return word;
}

std::string syllable(Rng& rng) {
  return std::string(pick(kOnsets, rng)) + std::string(pick(kVowels, rng));
}

std::string joined(std::string_view first, std::string_view second) {
  return std::string(first) + " " + std::string(second);
}

std::string first_name(bool girl, Rng& rng) {
  if (rng.next_below(5) < 2) return std::string(pick(girl ? kGirls : kBoys, rng));
  std::string name = rng.next_below(2) == 0 ? syllable(rng) : std::string(pick(kVowels, rng).substr(0, 1));
  if (rng.next_below(3) == 0) name += syllable(rng).substr(0, 3);
  name += pick(kCodas, rng);
  return capitalised(name + std::string(pick(girl ? kGirlEnds : kBoyEnds, rng)));
}

}  // namespace

std::string make_word(Rng& rng) {
  std::string word = syllable(rng);
  if (rng.next_below(3) == 0) word += std::string(pick(kCodas, rng).substr(0, 1)) + syllable(rng);
  word += pick(kCodas, rng).substr(0, 1);
  constexpr std::array<std::string_view, 10> kEnds = {"ik",  "en", "a", "ow",  "il",
                                                      "eck", "an", "o", "ish", "et"};
  return capitalised(word + std::string(kEnds[static_cast<std::size_t>(rng.next_below(10))]));
}

std::string make_surname(Rng& rng) {
  if (rng.next_below(3) == 0) return make_word(rng);
  return std::string(pick(kFirstParts, rng)) + std::string(pick(kSurnameEnds, rng));
}

std::string make_town(Rng& rng) {
  const Index shape = rng.next_below(6);
  if (shape == 0) return make_word(rng);
  if (shape == 1) return joined(make_word(rng), pick(kTownKinds, rng));
  const std::string town =
      (shape == 2 ? capitalised(syllable(rng) + std::string(pick(kCodas, rng).substr(0, 1)))
                  : std::string(pick(kFirstParts, rng))) +
      std::string(pick(kTownEnds, rng));
  if (shape == 3) return joined(town, pick(kTownKinds, rng));
  return town;
}

std::string make_street(Rng& rng) {
  const Index shape = rng.next_below(3);
  if (shape == 0) return joined(make_word(rng), pick(kStreetKinds, rng));
  if (shape == 1) return joined(pick(kThings, rng), pick(kStreetKinds, rng));
  return joined(make_surname(rng), pick(kStreetKinds, rng));
}

std::string make_shop(Rng& rng) {
  const Index shape = rng.next_below(3);
  if (shape == 0) return make_surname(rng) + "'s";
  if (shape == 1) return joined("the " + std::string(pick(kAdjectives, rng)), pick(kThings, rng));
  return joined("the " + std::string(pick(kThings, rng)) + " and", pick(kThings, rng));
}

std::string make_boat(Rng& rng) {
  const Index shape = rng.next_below(4);
  if (shape == 0) return make_word(rng);
  if (shape == 1) return joined(make_word(rng), pick(kThings, rng));
  if (shape == 2) return joined(pick(kAdjectives, rng), make_word(rng));
  return joined(pick(kAdjectives, rng), pick(kThings, rng));
}

std::string make_pet(Rng& rng) {
  return rng.next_below(2) == 0 ? std::string(pick(kPets, rng)) : make_word(rng);
}

Fields make_person(Rng& rng) {
  const bool girl = rng.next_below(2) == 0;
  const std::string name = first_name(girl, rng);
  const std::string sur = make_surname(rng);
  const std::string title = girl ? (rng.next_below(2) == 0 ? "Mrs" : "Miss") : "Mr";
  Fields fields = {{"name", name}, {"sur", sur}, {"full", name + " " + sur}, {"title", title + " " + sur}};
  constexpr std::array<std::array<const char*, 3>, 13> kBySex = {
      {{"he", "she", "he"},
       {"him", "her", "him"},
       {"his", "her", "his"},
       {"hers", "hers", "his"},
       {"self", "herself", "himself"},
       {"boy", "girl", "boy"},
       {"man", "woman", "man"},
       {"son", "daughter", "son"},
       {"father", "mother", "father"},
       {"uncle", "aunt", "uncle"},
       {"brother", "sister", "brother"},
       {"grandfather", "grandmother", "grandfather"},
       {"nephew", "niece", "nephew"}}};
  for (const auto& entry : kBySex) fields[entry[0]] = entry[girl ? 1 : 2];
  return fields;
}

bool is_name_kind(const std::string& kind) {
  return kind == "person" || kind == "town" || kind == "street" || kind == "shop" || kind == "boat" ||
         kind == "pet";
}

Fields make_name(const std::string& kind, Rng& rng) {
  LORRY_CHECK(is_name_kind(kind));
  if (kind == "person") return make_person(rng);
  if (kind == "town") return {{"name", make_town(rng)}};
  if (kind == "street") return {{"name", make_street(rng)}};
  if (kind == "shop") return {{"name", make_shop(rng)}};
  if (kind == "boat") return {{"name", make_boat(rng)}};
  return {{"name", make_pet(rng)}};
}

}  // namespace lorry::demo
