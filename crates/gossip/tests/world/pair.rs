//! Two honest nodes, and a member at one of them that may be a liar.

use super::*;

pub fn give(world: &mut World, link: LinkId, bytes: Bytes) {
    world.give(0, Input::Frame { link, bytes });
}

/// Two honest nodes, 0 and 1, linked, and a stranger of key 50 at node 0.
pub fn with_stranger(config: EngineConfig) -> (World, LinkId) {
    let mut world = World::new(1, 2, config);
    world.link(0, 1);
    let link = world.stranger(0, 50);
    world.run_for(1_000_000);
    (world, link)
}

pub fn still_works(world: &mut World) {
    world.say(1, "still here");
    world.until(1_000_000, "honest messages arrive", |w| {
        w.texts(0).contains(&"still here".to_owned()) && w.log(0) == w.log(1)
    });
}
