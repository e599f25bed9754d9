-- The bot's own tables stay: the registry may not have made them, and other
-- tables of the bot refer to them.
SELECT 1;
