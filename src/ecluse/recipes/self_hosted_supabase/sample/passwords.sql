-- The hashes that the users share, place by place in their kind: made of real passwords, which the tests know.
-- The first bcrypt is what the application makes; the others came in with users of older programs. The refused are, in
-- their order: Django's PBKDF2, SHA-256, Django's salted SHA-1, crypt's SHA-512, phpass, MD5, plain text, nothing, Argon2d,
-- an Argon2id of more memory than a Supabase takes, a bcrypt that a column was too short for. The last is the Supabase's own.

create temporary table pool (kind text, place integer, hash text) on commit drop;
insert into pool (kind, place, hash) values
    ('bcrypt', 1, '$2b$12$0L3DquEqjgMpG.eDp/DFjOZ5b67ytiBvP5elrprsdl5r1Pr1J12AK'),
    ('bcrypt', 2, '$2a$04$tW6euaRQslijdF2rxUw6oeDmHDvvwFb1nnMk8P7C4xJp6cRgPKVVi'),
    ('bcrypt', 3, '$2y$05$62bKo.qKoWBwsxP0OP0k3ufy5UXxYfh311jaXzWy56QKNfIcD.yKG'),
    ('bcrypt', 4, '$2b$06$Md1.9nDplXm3.ASLBbsNGu0.diHmi/1T2UChmzZjlvbJVzZkm9pN.'),
    ('bcrypt', 5, '$2a$08$dAUnPn1AnDEp.DYNvrYkFeGxI61S5WTgKGkk3XXgmIn6LzsR9p8U6'),
    ('argon2id', 1, '$argon2id$v=19$m=64,t=1,p=1$QPAG+6Lz3owTQSq5KvZZJw$JusI4Pz1kggPl0Q2SjP52Y3Yd8h2CCIFMoOwXwMmlpE'),
    ('argon2id', 2, '$argon2id$v=19$m=256,t=2,p=1$582iJZB3giEM33FUXS1hQg$8CPzWZ05WTytLu9fqDRLlRJf9kFpQv+1moksWbvWqrU'),
    ('argon2id', 3, '$argon2id$v=19$m=1024,t=1,p=4$yeaETbhlNKSlnr8/xra7/w$5F3oq1OMg+oMcueL8ta9K0bSNvF1biL9xTYRNZ3uF3s'),
    ('argon2id', 4, '$argon2id$v=19$m=4096,t=3,p=1$mxEx6pdpl1VmkEcQXDKZJA$d1rNo8HJCp4Jj51ro29xAnahVRIj0SWjbUtH1t36CQ0'),
    ('argon2i', 1, '$argon2i$v=19$m=64,t=3,p=1$ookpL2kKuao1yMw9a/jKSg$eMU5L7otaT1QAOG3sRD8pvUiWZkGNQRknCmDMVHFPU0'),
    ('argon2i', 2, '$argon2i$v=19$m=256,t=2,p=2$dw3uL0AxTxgHzzMAr+UA6w$rqVaZaP2fNNDa73G//rBChIcEfTsdchF4SJ977BLEDI'),
    ('argon2i', 3, '$argon2i$v=19$m=512,t=1,p=1$hkI83x7L8l5CbY82yclo2g$+mTWZ1+/0Ec83WdXu0kpwMFAW3wzA3/7CWyu1Hf3mmo'),
    ('argon2i', 4, '$argon2i$v=19$m=1024,t=2,p=1$pcf4E9iL3FWnpiIDjIh/GA$O4+6PBPRCcoyDb15ss6zfa7UdikqCdMUDlyplpSC1eY'),
    ('fbscrypt', 1, '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKhL6hmmel+xD78AIkQ1A==$yPdy2n8ti7BliA==$Vx+1m7meD3NYDFDoL7PcIAWaKOfE7CPrk8WTcMK46Grn1vsK+jvK6XkqCHGGBCU17x9UL49hbcEzqxe1Y/aRWA=='),
    ('fbscrypt', 2, '$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKhL6hmmel+xD78AIkQ1A==$GOJJ+h2gYolpwA==$cUbuyWDrnOdgST1YdqrPiJuaIvxR39yuYcNagR9D3Ivzr+NfW7zRqP1R8WPiZDAnDrm597RgjqymOODJ/6F6lQ=='),
    ('fbscrypt', 3, '$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKhL6hmmel+xD78AIkQ1A==$89CU57vDSZJhgRWK7xS0zQ==$mUdgXVccWAq4EI/xG2knob1SRR071aVJdC37Zlu4A5DwxvExPANE1XRjZ1Vr5dANiOZKjpsBf4OuL/9cbdAC1A=='),
    ('fbscrypt', 4, '$fbscrypt$v=1,n=10,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKhL6hmmel+xD78AIkQ1A==$ufCU8oT5WiltgA==$22IEpI6ipiq1DkmDe5UdTEF7s8dTfi2u/ztOTHigtevCbmBc9tGz+9lyOOhV+PXYLZASO4I1WCv72rtSOgkz8Q=='),
    ('refused', 1, 'pbkdf2_sha256$600000$kH3yQe8LmT2w$JwHCM1mtvng0Rlgage0kTCQhy6lAIWpah2mJlJlE9go='),
    ('refused', 2, 'dcafe4135596992fec8db9482219be80e44183b0371c05f7e379f3a448981c3c'),
    ('refused', 3, 'sha1$a1b2c$520a8741cc1990668728ddef5e697883d54ee680'),
    ('refused', 4, '$6$Sluice19Canal$pSjsvnC98QDhpGHwjCN9JQbwTuNirnYWURiP6MUUmEGYHIJPbHxaV7uHvOL61fLbyxuzo8S/sMAiRfWIDZAIb.'),
    ('refused', 5, '$P$9Lx4vTz0k0nH8ippUz8HGVKnY2hdFM1'),
    ('refused', 6, 'ea7e28c48e7023453feda3e5d3009089'),
    ('refused', 7, 'stranded in plain text'),
    ('refused', 8, ''),
    ('refused', 9, '$argon2d$v=19$m=64,t=1,p=1$DhzjkweMl9TbPC69ykl+mA$sFC2ZDykOc53rFInrqoM225K+4Omq2s9Mc33zvQYvCA'),
    ('refused', 10, '$argon2id$v=19$m=2097152,t=1,p=4$DhzjkweMl9TbPC69ykl+mA$5Z/1Kwse/+euAtvhv+pbhoogFe6Z1lmPScPWP7zn41E'),
    ('refused', 11, '$2b$04$BfxhiucKj7RZNA47wij8k.LSirBOEgg55zfXMNCztcFXeqY6ed'),
    ('account', 1, '$2a$10$SLgiuL8ivfNHfuLZvhh7HOmLTioPsQJiY4rTy4eO5rUYu/7ic/MaS');
