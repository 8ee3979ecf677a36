"""A small readable catalogue for simulations: five scenarios, four themes each, six items per theme."""

from __future__ import annotations

from typing import Final

from streams.events.event import ItemRow

# scenario -> theme -> (what such an item is, titles)
_THEMES: Final[dict[str, dict[str, tuple[str, tuple[str, ...]]]]] = {
    "books": {
        "crime": (
            "Crime novel: a detective, a murder and suspense to the last page.",
            (
                "The Harbour Inspector",
                "Murder on Mill Lane",
                "A Cold Case in Winter",
                "The Silent Witness",
                "Death of a Locksmith",
                "The Alibi",
            ),
        ),
        "science fiction": (
            "Science fiction novel about space travel, distant planets and machines that think.",
            (
                "The Last Colony Ship",
                "Orbit of Glass",
                "The Robot's Testament",
                "Signals from Europa",
                "A Thousand Years of Sleep",
                "The Terraformers",
            ),
        ),
        "cookbooks": (
            "Cookbook with recipes, techniques and photographs for home cooks.",
            (
                "Bread at Home",
                "The Pasta Book",
                "Vegetables First",
                "One Pot Suppers",
                "The Art of Spice",
                "Soups for Every Season",
            ),
        ),
        "nature": (
            "Nature writing about plants, birds and the changing seasons of a garden.",
            (
                "The Kitchen Garden Year",
                "A Field Guide to Hedgerows",
                "Birds of the Back Garden",
                "The Seed Keeper",
                "Living with Bees",
                "The Rose Grower's Diary",
            ),
        ),
    },
    "games": {
        "strategy": (
            "Strategy board game of planning, trade and conquest for long evenings.",
            (
                "Harvest and Trade",
                "Lords of the River",
                "Island Settlers",
                "The Spice Merchants",
                "Railway Barons",
                "Castles at War",
            ),
        ),
        "puzzle": (
            "Puzzle game that trains logic, patience and the eye for patterns.",
            (
                "Thousand Piece Lighthouse Jigsaw",
                "Sudoku Collection",
                "Wooden Burr Puzzle",
                "Logic Grid Mysteries",
                "Magic Cube",
                "Crossword Marathon",
            ),
        ),
        "role-playing": (
            "Role-playing game with heroes, dragons, magic and quests.",
            (
                "Dungeon of the Ember King",
                "Elven Realms Starter Set",
                "Starship Crew Adventures",
                "The Wizard's Campaign",
                "Dice Set of the Dragon",
                "Monsters and Maps",
            ),
        ),
        "party": (
            "Party game for a loud table of friends: guess, draw, bluff and laugh.",
            (
                "Draw It Quick",
                "Words in a Minute",
                "The Bluffing Game",
                "Charades Deluxe",
                "Who Said That",
                "Team Trivia",
            ),
        ),
    },
    "garden": {
        "vegetables": (
            "Seeds and plants for a vegetable garden with a long harvest.",
            (
                "Heirloom Tomato Seeds",
                "Runner Bean Seeds",
                "Salad Leaf Mix",
                "Seed Potatoes",
                "Chilli Pepper Plants",
                "Garlic Bulbs for Planting",
            ),
        ),
        "flowers": (
            "Flowers for beds and borders that bloom in many colours and feed the bees.",
            (
                "Climbing Rose",
                "Lavender Plants",
                "Tulip Bulb Mix",
                "Wildflower Meadow Seeds",
                "Sunflower Seeds",
                "Peony Root",
            ),
        ),
        "tools": (
            "Sturdy garden tool for digging, pruning and watering.",
            (
                "Steel Spade",
                "Pruning Shears",
                "Watering Can",
                "Garden Fork",
                "Wheelbarrow",
                "Hand Trowel",
            ),
        ),
        "balcony": (
            "For growing plants on a small balcony or window sill.",
            (
                "Balcony Planter Box",
                "Window Herb Kit",
                "Hanging Basket",
                "Terracotta Pots",
                "Potting Compost",
                "Mini Greenhouse",
            ),
        ),
    },
    "kitchen": {
        "baking": (
            "For baking bread, cakes and pastry at home.",
            (
                "Cast Iron Bread Pan",
                "Proofing Basket",
                "Rolling Pin",
                "Stand Mixer",
                "Cake Tin Set",
                "Digital Kitchen Scale",
            ),
        ),
        "coffee": (
            "For making good coffee: grind, brew and pour.",
            (
                "Espresso Machine",
                "Burr Coffee Grinder",
                "French Press",
                "Pour Over Dripper",
                "Milk Frother",
                "Gooseneck Kettle",
            ),
        ),
        "pasta": (
            "For fresh pasta and Italian cooking.",
            (
                "Pasta Machine",
                "Ravioli Cutter",
                "Large Pasta Pot",
                "Parmesan Grater",
                "Gnocchi Board",
                "Spaghetti Tongs",
            ),
        ),
        "knives": (
            "Sharp knives and boards for quick and precise cutting.",
            (
                "Chef's Knife",
                "Paring Knife",
                "Bread Knife",
                "Oak Chopping Board",
                "Whetstone",
                "Kitchen Scissors",
            ),
        ),
    },
    "music": {
        "jazz": (
            "Jazz record with saxophone, piano and double bass, on vinyl.",
            (
                "Midnight Quartet",
                "Blue Saxophone",
                "Live at the Cellar Club",
                "Piano Trio Sessions",
                "Swing Era Favourites",
                "Late Night Ballads",
            ),
        ),
        "classical": (
            "Classical recording of an orchestra or a string quartet.",
            (
                "Symphonies of the North",
                "The Cello Suites",
                "Spring String Quartets",
                "Piano Nocturnes",
                "Baroque Concertos",
                "Opera Overtures",
            ),
        ),
        "electronic": (
            "Electronic music with synthesizers, drum machines and deep bass.",
            (
                "Neon City Nights",
                "Analog Dreams",
                "Deep Bass Sessions",
                "Ambient Landscapes",
                "Techno Warehouse",
                "Modular Experiments",
            ),
        ),
        "guitar": (
            "For guitar players: instruments, strings and lessons.",
            (
                "Acoustic Guitar",
                "Electric Guitar Strings",
                "Guitar Chords for Beginners",
                "Clip-on Tuner",
                "Practice Amplifier",
                "Blues Guitar Lessons",
            ),
        ),
    },
}


def simulated_catalogue() -> list[ItemRow]:
    """120 items. An id tells scenario and theme, "garden-tools-3"; title and description make sense.

    >>> items = simulated_catalogue()
    >>> len(items), items[0].item_id, items[0].title
    (120, 'books-crime-1', 'The Harbour Inspector')
    """
    return [
        ItemRow(f"{scenario}-{theme.replace(' ', '-')}-{number}", title, description, scenario)
        for scenario, themes in _THEMES.items()
        for theme, (description, titles) in themes.items()
        for number, title in enumerate(titles, 1)
    ]
