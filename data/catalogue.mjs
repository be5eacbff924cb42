// Prints what the catalogue needs of @ianlucas/cs2-lib as JSON: `node catalogue.mjs FOLDER`, where FOLDER is the
// unpacked package. Facts only, one object per item; names, kinds and rules are itemmarket/data/catalogue_build.py's.
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const dist = join(resolve(process.argv[2]), "dist");
const load = async (...path) => Object.values(await import(pathToFileURL(join(dist, ...path))))[0];
const items = await load("items.mjs");
const english = await load("translations", "english.mjs");
const russian = await load("translations", "russian.mjs");

const facts = items.map((item) => ({
    id: item.id,
    type: item.type,
    name: english[item.id].name,
    name_ru: russian[item.id].name,
    // Weapons belong to a collection, stickers to an event or a series, which the package calls a category.
    collection: english[item.id].collectionName ?? (item.type === "sticker" ? english[item.id].category : undefined),
    rarity: item.rarity,
    wear_min: item.wearMin,
    wear_max: item.wearMax,
    origin: item.altName,
    free: item.free,
    container: item.containerType,
    contents: item.contents,
}));
process.stdout.write(JSON.stringify(facts));
