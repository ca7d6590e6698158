//! Real nodes against peers that speak raw libp2p: scenarios 9 to 13, 17, 19 and 21 to 24.
//!
//! Whatever comes, the victim answers an honest peer and `GET /livez`, its memory stays bounded, the
//! penalty is the right one, and the chain goes on.

mod blocks;
mod door;
mod evidence;
mod floods;
mod frames;
mod headers;
mod scene;
mod slots;
mod strangers;
